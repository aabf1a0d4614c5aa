"""The panels of a phase's steps: each step with what this person can do with it now."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries import pieces
from app.db.tables import Deployment, StepRun
from app.deployments.commands import database_now
from app.domain.deployments import State as Course
from app.domain.phases import WORDS as PHASE_WORDS
from app.domain.phases import State as PhaseState
from app.domain.plan import Action, Phase
from app.domain.signoff_words import in_sentence, listed
from app.domain.steps import (
    Change,
    State,
    Step,
    after_key,
    as_steps_see,
    grouped,
    is_by_traffic,
    is_run_by_worker,
    may_happen,
    owners,
)
from app.eventlog.log import versions_of
from app.phases.commands_rows import rows_of as phase_rows
from app.steps.commands import may_do
from app.steps.queries import Moved, moved_by_traffic, rows_of, step_of
from app.steps.queries_earlier import earlier_steps, progress_of
from app.steps.views import AfterGroup, AfterView, Mark, StepCard, StepMove, StepsView, Trouble
from app.web.access import Scope
from app.web.figures import took

_MARKS: Mapping[State, tuple[Mark, str]] = {
    State.OPEN: ("wait", "Open"),
    State.RUNNING: ("run", "RUNNING"),
    State.DONE: ("ok", "Done"),
    State.FAILED: ("crit", "FAILED"),
    State.SKIPPED: ("withdrawn", "Passed over"),
}
_WAYS: Mapping[State, tuple[Change, ...]] = {
    State.OPEN: (Change.START,),
    State.RUNNING: (Change.FINISH, Change.FAIL, Change.UNDO),
    State.FAILED: (Change.RETRY, Change.BYPASS),
    State.DONE: (Change.UNDO,),
    State.SKIPPED: (Change.UNDO,),
}
URLS: Mapping[Change, str] = {
    Change.START: "start",
    Change.FINISH: "finish",
    Change.TICK: "tick",
    Change.FAIL: "fail",
    Change.RETRY: "retry",
    Change.BYPASS: "bypass",
    Change.UNDO: "undo",
}
"""The last part of each change's address."""


async def steps_view(session: AsyncSession, scope: Scope, phase: Phase, trouble: Trouble | None = None) -> StepsView:
    versions = await versions_of(session, scope.id)
    deployment, state, version, now = await _ground(session, scope, phase)
    rows = await rows_of(session, deployment, phase)
    runs = any(row.state == State.RUNNING for row in rows.values())
    earlier = await earlier_steps(session, deployment, scope.plan, phase) if runs else {}
    cards: list[StepCard] = []
    for action in phase.actions:
        if is_by_traffic(phase, action):
            moved = await moved_by_traffic(session, deployment, phase, action)
            cards.append(_traffic_card(scope, phase, action, moved))
        else:
            card = _card(scope, phase, state, action, rows.get(action.key), version, trouble)
            step = step_of(rows.get(action.key))
            taken = earlier.get((action.key, step.by_hand), ())
            cards.append(replace(card, progress=progress_of(deployment, phase, action, step, taken, now)))
    return StepsView(
        url=f"/d/{scope.id}/phases/{phase.key}/steps/_steps",
        cards=tuple(cards),
        done=sum(card.mark in ("ok", "withdrawn") for card in cards),
        closed=_closed(deployment, phase, state),
        zone=scope.plan.timezone,
        now=now,
        versions=versions,
        topics="phases traffic deployment" if any(is_by_traffic(phase, a) for a in phase.actions) else "phases",
    )


async def after_view(session: AsyncSession, scope: Scope, phase: Phase, trouble: Trouble | None = None) -> AfterView:
    versions = await versions_of(session, scope.id)
    deployment, state, _, now = await _ground(session, scope, phase)
    rows = await rows_of(session, deployment, phase)
    groups: dict[str, list[StepCard]] = {}
    for number, line in enumerate(phase.after, start=1):
        group, text = grouped(line)
        card = _line_card(scope, phase, state, after_key(number), text, rows.get(after_key(number)), trouble)
        groups.setdefault(group, []).append(card)
    cards = [card for found in groups.values() for card in found]
    is_open = state in (PhaseState.RUNNING, PhaseState.COMPLETED)
    return AfterView(
        url=f"/d/{scope.id}/phases/{phase.key}/steps/_after",
        groups=tuple(AfterGroup(title, tuple(found)) for title, found in groups.items()),
        done=sum(card.mark == "ok" for card in cards),
        total=len(cards),
        closed=""
        if is_open
        else "The deployment was aborted: what comes after this phase will not come."
        if deployment.state == Course.ABORTED
        else f"Phase {phase.number} is {PHASE_WORDS[state]}: these come when it runs or is complete.",
        zone=scope.plan.timezone,
        now=now,
        versions=versions,
    )


async def _ground(session: AsyncSession, scope: Scope, phase: Phase) -> tuple[Deployment, PhaseState, int, datetime]:
    """The deployment, the phase's state for its steps, its version, and the time."""
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    row = (await phase_rows(session, deployment, scope.plan))[phase.key]
    state = as_steps_see(phase, PhaseState(row.state), is_aborted=deployment.state == Course.ABORTED)
    return deployment, state, row.version, await database_now(session)


def _closed(deployment: Deployment, phase: Phase, state: PhaseState) -> str:
    if may_happen(phase, state, Change.START, is_after=False):
        return ""
    if deployment.state == Course.ABORTED:
        return "The deployment was aborted: nothing more is started; what runs can be brought to its end."
    if state is PhaseState.ON_HOLD:
        return f"Phase {phase.number} is on hold: nothing more is started; what runs can be brought to its end."
    return f"Phase {phase.number} is {PHASE_WORDS[state]}: its steps are worked on while it runs."


def _owner(scope: Scope, phase: Phase, action: Action | None) -> str:
    titles = [scope.plan.position(key).title for key in owners(phase, action)]
    return listed([titles[0], *(in_sentence(title) for title in titles[1:])])


def _card(
    scope: Scope,
    phase: Phase,
    state: PhaseState,
    action: Action,
    row: StepRun | None,
    phase_version: int,
    trouble: Trouble | None,
) -> StepCard:
    step = step_of(row)
    mark, word = _MARKS[step.state]
    ways = [
        change
        for change in (() if is_run_by_worker(action, step) else _WAYS[step.state])
        if may_do(scope, phase, action, change) and may_happen(phase, state, change, is_after=False)
    ]
    moves = [_move(scope, phase, action.key, step, change, trouble, is_first=not n) for n, change in enumerate(ways)]
    if Change.RETRY in ways and state is PhaseState.RUNNING:
        moves.append(_stop(scope, phase, action.title, phase_version))
    return StepCard(
        key=action.key,
        title=action.dated_title,
        mark=mark,
        word=word,
        owner=_owner(scope, phase, action),
        is_yours=bool(scope.positions.intersection(owners(phase, action))),
        note=_note(action, step),
        command=" ".join(action.command),
        signals=action.success_signals,
        trouble_signals=action.failure_signals,
        proof=pieces(step.text),
        who=step.by,
        since=step.started_at if step.state is State.RUNNING else None,
        at=step.finished_at,
        took=_took(step),
        tries=step.tries,
        advice=action.on_failure if step.state is State.FAILED else "",
        link=("Its script", f"#script-{action.key}") if action.kind == "script" else None,
        moves=tuple(moves),
    )


def _took(step: Step) -> str:
    if step.started_at is None or step.finished_at is None:
        return ""
    return took((step.finished_at - step.started_at).total_seconds())


def _note(action: Action, step: Step) -> str:
    if action.kind == "task":
        return ""
    if action.kind == "script" and not step.by_hand:
        return _SCRIPT_NOTES.get(step.state, "")
    what = {"script": "the script", "canary": "the canary"}.get(action.kind, action.kind)
    return f"By hand in place of {what}" if step.by_hand else f"By hand for now, in place of {what}, with what shows it"


_SCRIPT_NOTES: Mapping[State, str] = {
    State.OPEN: "A worker runs its script, or you do it by hand, with what shows it",
    State.RUNNING: "A worker runs its script",
}


def _where(scope: Scope, phase: Phase, action: Action) -> tuple[str, str]:
    if action.kind == "canary":
        return "Open the canary", f"/d/{scope.id}/phases/{phase.key}/canary"
    return "Open the Switch page", f"/d/{scope.id}/switch"


def _traffic_card(scope: Scope, phase: Phase, action: Action, moved: Moved) -> StepCard:
    mark, word = _MARKS[moved.state]
    return StepCard(
        key=action.key,
        title=action.dated_title,
        mark=mark,
        word=word,
        owner=_owner(scope, phase, action),
        is_yours=bool(scope.positions.intersection(owners(phase, action))),
        note="Done by traffic: what the newest operation did"
        if action.kind != "canary"
        else "Share by share, each with its gate",
        proof=pieces(moved.text),
        at=moved.at if moved.state is not State.RUNNING else None,
        since=moved.at if moved.state is State.RUNNING else None,
        advice=action.on_failure if moved.state is State.FAILED else "",
        link=_where(scope, phase, action),
    )


def _line_card(
    scope: Scope, phase: Phase, state: PhaseState, key: str, text: str, row: StepRun | None, trouble: Trouble | None
) -> StepCard:
    step = step_of(row)
    mark, word = _MARKS[step.state]
    change = Change.TICK if step.state is State.OPEN else Change.UNDO
    is_open = may_do(scope, phase, None, change) and may_happen(phase, state, change, is_after=True)
    moves: tuple[StepMove, ...] = ()
    if is_open:
        first = _move(scope, phase, key, step, change, trouble, is_first=True, target="#after")
        moves = (first,)
        if change is Change.TICK:
            told = replace(first, label="What shows it", key="evidence", fold="With evidence…", is_first=False)
            moves = (replace(first, typed="", error=""), told)
    return StepCard(
        key=key,
        title=text,
        mark=mark,
        word=word,
        owner=_owner(scope, phase, None),
        is_yours=bool(scope.positions.intersection(phase.lead)),
        proof=pieces(step.text),
        who=step.by,
        at=step.finished_at,
        moves=moves,
    )


def _move(
    scope: Scope,
    phase: Phase,
    key: str,
    step: Step,
    change: Change,
    trouble: Trouble | None,
    *,
    is_first: bool,
    target: str = "#steps",
) -> StepMove:
    name = URLS[change]
    found = _MOVES[change]
    url = f"/d/{scope.id}/phases/{phase.key}/steps/{key}/{name}"
    move = replace(found, url=url, version=step.version, is_first=is_first, target=target)
    is_script = any(action.key == key and action.kind == "script" for action in phase.actions)
    if is_script and change is Change.START:
        move = replace(move, button="Start by hand", kind="")
    if trouble is not None and (trouble.step, trouble.move) == (key, name):
        return replace(move, typed=trouble.typed, error=trouble.text)
    return move


def _stop(scope: Scope, phase: Phase, title: str, version: int) -> StepMove:
    """Stopping is the phase's hold, with the step as its reason."""
    return StepMove(
        key="stop",
        button=f"Stop: put phase {phase.number} on hold",
        url=f"/d/{scope.id}/phases/{phase.key}/hold",
        version=version,
        label="Why it stops",
        field="reason",
        required=True,
        typed=f"“{title}” failed",
    )


_MOVES: Mapping[Change, StepMove] = {
    Change.START: StepMove("start", "Start", "", 0, kind="primary"),
    Change.TICK: StepMove("tick", "Done", "", 0, size="small"),
    Change.FINISH: StepMove(
        "finish", "It is done", "", 0, label="What shows it", hint="A link, a number, what you saw.", required=True,
        kind="primary",
    ),
    Change.FAIL: StepMove("fail", "It failed", "", 0, label="What happened", required=True, kind="nogo"),
    Change.RETRY: StepMove("retry", "Try again", "", 0, kind="primary"),
    Change.BYPASS: StepMove(
        "bypass", "Take the manual path", "", 0, label="How it is done without this step", required=True
    ),
    Change.UNDO: StepMove("undo", "Take it back", "", 0, kind="plain", size="small"),
}  # fmt: skip
