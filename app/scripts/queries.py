"""Reads of scripts: the panel of each, and the output from wherever a browser is."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, ScriptOutput, ScriptRun
from app.deployments.commands import database_now
from app.domain.deployments import State as Course
from app.domain.estimates import COMPARED, estimate, planned_for
from app.domain.phases import WORDS as PHASE_WORDS
from app.domain.phases import State as PhaseState
from app.domain.plan import Action, Phase
from app.domain.scripts import ENDED, WORDS, State, signals_seen
from app.domain.signoff_words import in_sentence, listed
from app.domain.steps import Change, Step, may_happen, owners
from app.domain.steps import State as StepState
from app.eventlog.log import versions_of
from app.phases.commands_rows import rows_of as phase_rows
from app.ports.script import Scripts
from app.scripts.commands_over import OPEN
from app.scripts.views import Mark, OutputView, Script, ScriptView, SignalKind, SignalLine, SignalMark
from app.steps.commands import may_do
from app.steps.queries import attempt_of, rows_of, step_of
from app.steps.queries_earlier import watches
from app.web.access import NotFound, Scope
from app.web.figures import took
from app.web.progress import NOBODY_KNOWS, ProgressView, expected_words, running_view

AT_ONCE = 64 * 1024
"""Characters of output in one answer."""
BEHIND_MOST = 256 * 1024
"""A browser that is further behind gets the newest of it and a mark."""
AT_FIRST = 64 * 1024
GAP = "… the middle of the output is left out here …\n"

_MARKS: dict[State, tuple[Mark, str]] = {
    State.WAITING: ("wait", "Waiting"),
    State.RUNNING: ("run", "RUNNING"),
    State.DONE: ("ok", "Succeeded"),
    State.FAILED: ("crit", "FAILED"),
    State.ABORTED: ("crit", "ABORTED"),
    State.LOST: ("crit", "NOT KNOWN"),
}


@dataclass(frozen=True, slots=True)
class Bound:
    """What this installation runs scripts with: None where the site binds nothing; `where` in words."""

    scripts: Scripts | None
    folder: str = ""
    user: str = ""
    is_here: bool = False
    """The folder is on this machine too, so that what is missing in it can be told before a press."""

    async def why_not(self, action: Action) -> str:
        if self.scripts is None:
            return "site.yaml binds no folder of scripts."
        return await self.scripts.why_not(action.command) if self.is_here else ""

    @property
    def place(self) -> str:
        if self.scripts is None:
            return ""
        return f"by a worker, in {self.folder}" + (f", as {self.user}" if self.user else "")


async def scripts_of(session: AsyncSession, scope: Scope, phase: Phase, bound: Bound) -> tuple[Script, ...]:
    actions = [action for action in phase.actions if action.kind == "script"]
    return tuple([await script(session, scope, phase, action, bound) for action in actions])


async def script(session: AsyncSession, scope: Scope, phase: Phase, action: Action, bound: Bound) -> Script:
    view = await script_view(session, scope, phase, action, bound)
    return Script(view, await output_view(session, scope, phase, action))


async def newest_run(session: AsyncSession, deployment_id: int, phase: str, step: str) -> ScriptRun | None:
    wanted = select(ScriptRun).where(
        ScriptRun.deployment_id == deployment_id, ScriptRun.phase == phase, ScriptRun.step == step
    )
    newest = wanted.order_by(ScriptRun.id.desc()).limit(1).execution_options(populate_existing=True)
    return (await session.execute(newest)).scalar_one_or_none()


async def open_commands(session: AsyncSession, deployment_id: int, phase: Phase) -> list[str]:
    """The commands of the phase's scripts that are not over."""
    wanted = select(ScriptRun.command).where(
        ScriptRun.deployment_id == deployment_id, ScriptRun.phase == phase.key, ScriptRun.state.in_(OPEN)
    )
    return [shlex.join(str(part) for part in command) for command in await session.scalars(wanted)]


async def ended_with(session: AsyncSession, deployment_id: int, phase: Phase, since: datetime) -> str:
    """What became of the scripts that ran when the phase ended for good, at `since`; empty if none did."""
    wanted = select(ScriptRun).where(
        ScriptRun.deployment_id == deployment_id, ScriptRun.phase == phase.key, ScriptRun.abort_at >= since
    )
    runs = (await session.scalars(wanted.order_by(ScriptRun.id).execution_options(populate_existing=True))).all()
    said: list[str] = []
    for run in runs:
        command = shlex.join(str(part) for part in run.command)
        match State(run.state):
            case State.WAITING | State.RUNNING:
                said.append(f"Its script is ended now, with all it started, within 5 s: {command}.")
            case State.ABORTED:
                said.append(f"Its script was ended with it: {command}.")
            case _:
                said.append(f"Its script {WORDS[State(run.state)]} before it could be ended: {command}.")
    return " ".join(said)


async def script_view(session: AsyncSession, scope: Scope, phase: Phase, action: Action, bound: Bound) -> ScriptView:
    versions = await versions_of(session, scope.id)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    phase_state = PhaseState((await phase_rows(session, deployment, scope.plan))[phase.key].state)
    step = step_of((await rows_of(session, deployment, phase)).get(action.key))
    run = await newest_run(session, scope.id, phase.key, action.key)
    if run is not None and run.attempt != attempt_of(deployment, phase):
        run = None
    now = await database_now(session)
    state = State(run.state) if run is not None else None
    is_open = state is not None and state not in ENDED
    mark, word = _MARKS[state] if state is not None else ("wait", "Not run")
    if run is not None and run.abort_at is not None and is_open:
        word = "ENDING"
    why_not = await bound.why_not(action)
    base = f"/d/{scope.id}/phases/{phase.key}/scripts/{action.key}"
    may_run = may_do(scope, phase, action, Change.START) and step.state is StepState.OPEN and not is_open
    is_lead = scope.may(f"lead:{phase.key}") or scope.may("proceed")
    may_abort = is_lead or bool(scope.positions.intersection(owners(phase, action)))
    titles = [scope.plan.position(key).title for key in owners(phase, action)]
    return ScriptView(
        key=action.key,
        title=action.title,
        url=f"{base}/_script",
        command=shlex.join(action.command),
        place=bound.place,
        mark=mark,
        word=word,
        sentence=_sentence(run, state, step, why_not),
        run=run.id if run is not None else 0,
        tries=step.tries,
        zone=scope.plan.timezone,
        now=now,
        versions=versions,
        owner=listed([titles[0], *(in_sentence(title) for title in titles[1:])]),
        why_not=why_not,
        closed="The deployment was aborted: no script runs any more."
        if deployment.state == Course.ABORTED
        else _closed(phase, phase_state),
        run_url=f"{base}/run" if may_run and not why_not else "",
        abort_url=f"{base}/abort" if is_open and may_abort and run is not None and run.abort_at is None else "",
        step_version=step.version,
        advice=action.on_failure if state in (State.FAILED, State.ABORTED, State.LOST) else "",
        since=run.started_at if run is not None and state is State.RUNNING else None,
        asked_at=run.requested_at if run is not None and state is State.WAITING else None,
        ended_at=run.finished_at if run is not None else None,
        took=_took(run),
        progress=await _progress(session, deployment, phase, action, run if is_open else None, now),
        signals=_signals(action, run, is_open=is_open),
        is_open=is_open,
    )


def _closed(phase: Phase, state: PhaseState) -> str:
    if may_happen(phase, state, Change.START, is_after=False):
        return ""
    return f"Phase {phase.number} is {PHASE_WORDS[state]}: scripts run while it runs."


def _sentence(run: ScriptRun | None, state: State | None, step: Step, why_not: str) -> str:
    """What there is to know, in one sentence."""
    if run is None:
        if why_not:
            return f"It cannot be run here: {why_not} Do the step by hand, with what shows it."
        return "By hand, in place of the script." if step.by_hand else ""
    if run.abort_at is not None and run.finished_at is None:
        return f"{run.abort_by} aborts it. It is ended with all it started, within 5 s."
    match state:
        case State.WAITING:
            return f"{run.requested_by} asked for it; the first free worker takes it."
        case State.RUNNING:
            again = " for the second time, since its first worker is gone" if run.begun > 1 else ""
            return f"{run.requested_by} runs it{again}."
    return run.reason


def _took(run: ScriptRun | None) -> str:
    if run is None or run.started_at is None or run.finished_at is None:
        return ""
    return took((run.finished_at - run.started_at).total_seconds())


async def _progress(
    session: AsyncSession, deployment: Deployment, phase: Phase, action: Action, run: ScriptRun | None, now: datetime
) -> ProgressView:
    """Against the plan, and against what the same command took here before. `run` is the one that is not over."""
    wanted = (
        select(ScriptRun.started_at, ScriptRun.finished_at)
        .join(Deployment, Deployment.id == ScriptRun.deployment_id)
        .where(
            Deployment.mode == deployment.mode,
            ScriptRun.phase == phase.key,
            ScriptRun.step == action.key,
            ScriptRun.command == list(action.command),
            ScriptRun.state == State.DONE.value,
        )
        .order_by(ScriptRun.id.desc())
        .limit(COMPARED)
    )
    rows = (await session.execute(wanted)).all()
    earlier = [(ended - began).total_seconds() for began, ended in rows if began is not None and ended is not None]
    expected = estimate(planned_for(action), earlier)
    if run is None or run.started_at is None:
        return ProgressView(expected_words(expected) or NOBODY_KNOWS)
    return running_view(expected, *watches(deployment, run.started_at, now), now)


_SEEN: Mapping[SignalKind, tuple[SignalMark, str]] = {"success": ("ok", "Seen"), "failure": ("crit", "SEEN")}


def _signals(action: Action, run: ScriptRun | None, *, is_open: bool) -> tuple[SignalLine, ...]:
    kept = run.seen if run is not None else {}
    seen = {int(number): (int(one["line"]), str(one["text"])) for number, one in kept.items()}
    times = {int(number): datetime.fromisoformat(str(one["at"])) for number, one in kept.items()}
    has_failed = any(number >= len(action.success_signals) for number in seen)
    found: list[SignalLine] = []
    for number, signal in enumerate(signals_seen(action, seen)):
        is_failure = signal.kind == "failure"
        if signal.seen is not None:
            mark, word = _SEEN[signal.kind]
            line, said = signal.seen
            found.append(SignalLine(signal.kind, signal.text, mark, word, times[number], line, said))
        elif run is None or is_open:
            found.append(SignalLine(signal.kind, signal.text, "wait", "Not seen" if is_failure else "Not yet"))
        elif is_failure or has_failed or run.state != State.FAILED:
            # A script that was stopped at a failure could say nothing more: that one line is the trouble.
            found.append(SignalLine(signal.kind, signal.text, "wait", "Not seen"))
        else:
            found.append(SignalLine(signal.kind, signal.text, "crit", "MISSING"))
    return tuple(found)


# ── output ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Pieces:
    """Output from a place on. `is_fresh`: it belongs to another run, or does not follow what the browser has."""

    run: int
    after: int
    text: str
    pending: str
    is_fresh: bool
    is_open: bool
    has_more: bool
    size: str


async def pieces_after(
    session: AsyncSession, scope: Scope, phase: Phase, action: Action, run_id: int, after: int
) -> Pieces:
    """What a browser that has run `run_id` up to piece `after` has not seen yet, at most `AT_ONCE` of it."""
    run = await newest_run(session, scope.id, phase.key, action.key)
    if run is None:
        return Pieces(0, 0, "", "", run_id != 0, is_open=False, has_more=False, size="")
    is_fresh = run.id != run_id
    if is_fresh:
        after = 0
    ahead = select(ScriptOutput.seq, ScriptOutput.text).where(ScriptOutput.run_id == run.id)
    newest = await session.execute(ahead.where(ScriptOutput.seq > after).order_by(ScriptOutput.seq.desc()).limit(40))
    rows: list[tuple[int, str]] = []
    size, has_older = 0, False
    for seq, text in newest:
        if rows and size + len(text) > BEHIND_MOST:
            has_older = True
            break
        rows.insert(0, (seq, text))
        size += len(text)
    if len(rows) == 40:
        has_older = rows[0][0] > after + 1
    taken, size = "", 0
    last = after
    for seq, text in rows:
        if taken and size + len(text) > AT_ONCE:
            break
        if (seq > last + 1 and last > 0) or (has_older and not taken):
            taken += GAP
        taken, size, last = taken + text, size + len(text), seq
    has_more = bool(rows) and last < rows[-1][0]
    return Pieces(run.id, last, taken, run.pending, is_fresh, State(run.state) not in ENDED, has_more, size_words(run))


async def output_view(session: AsyncSession, scope: Scope, phase: Phase, action: Action) -> OutputView:
    base = f"/d/{scope.id}/phases/{phase.key}/scripts/{action.key}"
    run = await newest_run(session, scope.id, phase.key, action.key)
    view = OutputView(
        action.key, action.title, f"{base}/_output", 0, 0, "", "", "", f"{base}/output.txt", is_open=False
    )
    if run is None:
        return view
    rows = await session.execute(
        select(ScriptOutput.seq, ScriptOutput.text)
        .where(ScriptOutput.run_id == run.id)
        .order_by(ScriptOutput.seq.desc())
        .limit(40)
    )
    found: list[tuple[int, str]] = []
    for seq, text in rows:
        if found and sum(len(one) for _, one in found) + len(text) > AT_FIRST:
            break
        found.insert(0, (seq, text))
    shown = "".join(text for _, text in found)
    if found and found[0][0] > 1:
        shown = "… what came before is in the whole text …\n" + shown
    return OutputView(
        action.key, action.title, view.url, run.id, found[-1][0] if found else 0, shown, run.pending, size_words(run),
        view.download_url, State(run.state) not in ENDED,
    )  # fmt: skip


async def whole_output(session: AsyncSession, scope: Scope, phase: Phase, action: Action) -> tuple[str, str]:
    """A name for the file, and all that is kept of the newest run, marked where something is left out. Raises
    NotFound."""
    run = await newest_run(session, scope.id, phase.key, action.key)
    if run is None:
        raise NotFound("This script did not run yet.")
    rows = await session.execute(
        select(ScriptOutput.seq, ScriptOutput.text).where(ScriptOutput.run_id == run.id).order_by(ScriptOutput.seq)
    )
    return f"{phase.key}-{action.key}-{run.id}.txt", joined([(seq, text) for seq, text in rows]) + run.pending


def joined(rows: Sequence[tuple[int, str]]) -> str:
    """Pieces as one text; where numbers are missing, it says so."""
    parts: list[str] = []
    last = 0
    for seq, text in rows:
        if last and seq > last + 1:
            parts.append(GAP)
        parts.append(text)
        last = seq
    return "".join(parts)


def size_words(run: ScriptRun) -> str:
    lines = f"{run.lines:,} line" + ("" if run.lines == 1 else "s")
    words = f"{lines}, {_bytes(run.total)}"
    return words + (f", of which {_bytes(run.left_out)} left out" if run.left_out else "")


def _bytes(size: int) -> str:
    if size < 1000:
        return f"{size} B"
    for unit in ("kB", "MB", "GB"):
        size_in = size / 1000 ** (("kB", "MB", "GB").index(unit) + 1)
        if size_in < 1000 or unit == "GB":
            return f"{size_in:.1f} {unit}"
    raise AssertionError
