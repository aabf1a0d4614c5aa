"""Scripts of steps on PostgreSQL: asked for by their position, run by a worker, judged by signals, lost and aborted."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.engine import Database
from app.db.tables import Deployment, RosterSeat, ScriptOutput, ScriptRun, StepRun
from app.deployments import commands as deployments
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.domain.phases import Change as PhaseChange
from app.domain.plan import Plan
from app.domain.scripts import State
from app.domain.steps import Change
from app.phases.queries_phase import phase_view
from app.ports.script import machine_now
from app.providers.script.folder import GRACE, ScriptFolder
from app.providers.script.running import Surroundings
from app.scripts import commands, queries
from app.scripts.forms import ScriptForm
from app.scripts.queries import Bound
from app.scripts.tasks import HEAD, HOLDS_S, SILENT_S, TAIL, Runs
from app.steps.commands import change_step
from app.steps.forms import StepForm
from app.steps.queries_panels import steps_view
from app.web.access import Forbidden, NotFound, Scope
from app.wiring import Site
from app.worker import Worker
from tests.conftest import Seeder, make_scope_of
from tests.phases.ready import log_of, press, running

CONFIG = "alawael-phase2-github-config.sh"
ALL_SIX = (
    "Organization alawael-org created",
    "6 teams configured (48 members)",
    "5 repositories created",
    "8 secrets encrypted and stored",
    "GitHub Actions workflows activated",
    "All team members have access",
)
SUCCESS = "\n".join(f"echo '✅ {line}'" for line in ALL_SIX)


class Day:
    """Phase 2 running, a folder of scripts, and workers on it."""

    def __init__(self, database: Database, deployment: Deployment, plan: Plan, lead: Scope, folder: Path) -> None:
        self.database, self.deployment, self.plan, self.lead, self.folder = database, deployment, plan, lead, folder
        self.phase = plan.phase("github")
        self.action = self.phase.actions[0]
        self.workers: list[Runs] = []

    def script(self, body: str, name: str = CONFIG) -> None:
        (self.folder / name).write_text(f"#!/bin/bash\n{body}\n")

    def worker(self, name: str = "worker-1") -> Runs:
        self.workers.append(Runs(self.database, ScriptFolder(Surroundings(self.folder)), name))
        return self.workers[-1]

    @property
    def bound(self) -> Bound:
        return Bound(ScriptFolder(Surroundings(self.folder)), str(self.folder), "", is_here=True)

    async def ask(self, scope: Scope | None = None, *, version: int | None = None, key: str = "", why: str = "") -> int:
        step = await self.step()
        form = ScriptForm.model_validate(
            {"version": version if version is not None else (step.version if step else 0), "_key": key}
        )
        return await self.database.run(
            lambda s: commands.request_run(s, scope or self.lead, "github", "configure_github", form, why)
        )

    async def abort(self, scope: Scope | None = None) -> None:
        step = await self.step()
        form = ScriptForm(version=step.version if step else 0)
        await self.database.run(lambda s: commands.abort_run(s, scope or self.lead, "github", "configure_github", form))

    async def run(self, number: int) -> ScriptRun:
        return await self.database.read(lambda s: s.get_one(ScriptRun, number, populate_existing=True))

    async def step(self) -> StepRun | None:
        wanted = select(StepRun).where(StepRun.step == "configure_github")
        return await self.database.read(lambda s: s.scalar(wanted.execution_options(populate_existing=True)))

    async def output(self) -> str:
        return (await self.database.read(lambda s: queries.whole_output(s, self.lead, self.phase, self.action)))[1]

    async def view(self, scope: Scope | None = None) -> queries.ScriptView:
        return await self.database.read(
            lambda s: queries.script_view(s, scope or self.lead, self.phase, self.action, self.bound)
        )

    async def do(self, change: Change, words: str = "") -> None:
        step = await self.step()
        form = StepForm(text=words, version=step.version if step else 0)
        await self.database.run(lambda s: change_step(s, self.lead, "github", "configure_github", change, form))

    async def until(self, is_so: Callable[[], Awaitable[bool]], within: float = 15) -> None:
        async with asyncio.timeout(within):
            while not await is_so():
                await asyncio.sleep(0.05)

    async def printed(self, words: str) -> None:
        """Wait until the output holds these words."""

        async def is_so() -> bool:
            rows = await self.database.read(lambda s: s.scalars(select(ScriptOutput.text)))
            return any(words in row for row in rows)

        await self.until(is_so)


@pytest.fixture
async def day(committed_db: Database, seed: Seeder, plan: Plan, settings: object, tmp_path: Path) -> Day:
    deployment = await seed(committed_db)
    lead = await make_scope_of(committed_db, settings)(deployment, "devops_lead")  # type: ignore[arg-type]
    await running(committed_db, deployment, plan, lead)
    folder = tmp_path / "scripts"
    folder.mkdir()
    return Day(committed_db, deployment, plan, lead, folder)


@pytest.fixture
def other(day: Day, settings: object) -> Callable[[str], Awaitable[Scope]]:
    return lambda login: make_scope_of(day.database, settings)(day.deployment, login)  # type: ignore[arg-type]


async def test_a_run_that_says_all_it_should_does_the_step_with_what_shows_it(day: Day) -> None:
    day.script(SUCCESS)
    number = await day.ask()
    view = await day.view()
    assert (view.word, view.run_url) == ("Waiting", "")
    await day.worker().ensure(number)
    run, step = await day.run(number), await day.step()
    assert step is not None
    assert (run.state, run.exit_code, run.total) == ("done", 0, len((await day.output()).encode()))
    assert (step.state, step.evidence, step.by_hand) == ("done", "Exit code 0, all 6 success signals seen", False)
    assert step.who == "The script, run by DevOps lead"
    assert await day.output() == "".join(f"✅ {line}\n" for line in ALL_SIX)
    view = await day.view()
    assert [line.mark for line in view.signals] == ["ok"] * 6 + ["wait"] * 5
    assert [line.line for line in view.signals[:6]] == [1, 2, 3, 4, 5, 6]
    kinds = [event.kind for event in await log_of(day.database, day.deployment)]
    assert kinds[-4:] == ["steps.started", "scripts.requested", "steps.finished", "scripts.ended"]


async def test_a_failure_signal_fails_the_step_and_documents_itself(day: Day) -> None:
    day.script("echo 'creating teams'; echo 'gh: HTTP 403 Forbidden'; sleep 30; touch never")
    number = await day.ask()
    await day.worker().ensure(number)
    run, step = await day.run(number), await day.step()
    assert step is not None
    assert run.state == "failed"
    assert step.state == "failed"
    assert step.evidence == (
        "Its output says “HTTP 403 Forbidden” in line 2: gh: HTTP 403 Forbidden\n"
        "Last lines:\ncreating teams\ngh: HTTP 403 Forbidden"
    )
    view = await day.view()
    assert view.advice == "Stop, document the error, take the manual set-up path."
    assert view.signals[6].mark == "crit"
    assert not view.run_url, "a failed step is tried again by who leads the phase"
    steps = await day.database.read(lambda s: steps_view(s, day.lead, day.phase))
    assert [move.key for move in steps.cards[0].moves] == ["retry", "bypass", "stop"]
    await day.do(Change.RETRY)
    day.script(SUCCESS)
    assert (await day.view()).run_url
    again = await day.ask()
    await day.worker().ensure(again)
    step = await day.step()
    assert step is not None
    assert (step.state, step.tries) == ("done", 2)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (SUCCESS + "\nexit 4", "It ended with exit code 4."),
        ("echo '6 teams configured (48 members)'", "It ended with exit code 0, but did not say “Organization"),
        ("kill -9 $$", "It was ended by signal 9."),
    ],
)
async def test_success_takes_exit_code_zero_and_every_signal(day: Day, body: str, why: str) -> None:
    day.script(body)
    await day.worker().ensure(await day.ask())
    step = await day.step()
    assert step is not None
    assert step.state == "failed"
    assert step.evidence.startswith(why)


async def test_a_script_that_is_not_there_fails_with_where_it_was_looked_for(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.scripts.tasks.LET_OTHERS_FIRST_S", 0.0)
    await day.worker().ensure(await day.ask())
    step = await day.step()
    assert step is not None
    assert "is not in the folder of scripts" in step.evidence


async def test_a_worker_without_the_script_leaves_it_to_one_that_has_it(day: Day, tmp_path: Path) -> None:
    day.script(SUCCESS)
    number = await day.ask()
    await Runs(day.database, None, "without").ensure(number)
    assert (await day.run(number)).state == "waiting"
    await day.worker().ensure(number)
    assert (await day.run(number)).state == "done"


async def test_a_worker_without_the_script_waits_for_one_that_has_no_hand_free(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.scripts.tasks.LET_OTHERS_FIRST_S", 3.0)
    day.script("echo begun; sleep 60")
    busy = day.worker("busy")
    busy.at_once = 1
    busy.begin(await day.ask())
    await day.printed("begun")
    second = await second_run(day)
    await later(day, second, 10)
    await busy.begin(second)
    await Runs(day.database, None, "without").ensure(second)
    assert (await day.run(second)).state == "waiting", "however long it has waited"
    await later(day, second, 10)
    await Runs(day.database, None, "without").ensure(second)
    assert (await day.run(second)).state == "failed"
    assert "for 3 s no worker took it that can run it. This one cannot: no folder" in (await day.run(second)).reason
    await busy.stop()


async def test_a_repeat_waits_for_a_worker_that_has_the_script_as_the_first_time_did(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = day.action.model_copy(update={"idempotent": True})
    monkeypatch.setattr("app.scripts.commands.script_of", lambda *_: (day.phase, again))
    day.script(SUCCESS)
    number = await day.ask()
    await later(day, number, 600)
    await day.database.run(lambda s: commands.claim(s, number, "dead"))
    await run_out(day.database)
    without = Runs(day.database, None, "without")
    await without.sweep()
    await without.ensure(number)
    assert (await day.run(number)).state == "waiting"
    await day.worker().ensure(number)
    assert (await day.run(number)).state == "done"


async def later(day: Day, number: int, seconds: float) -> None:
    """As if it waited so much longer."""
    back = timedelta(seconds=seconds)
    earlier = {"requested_at": ScriptRun.requested_at - back, "able_at": ScriptRun.able_at - back}
    await day.database.run(lambda s: s.execute(update(ScriptRun).where(ScriptRun.id == number).values(earlier)))


async def test_only_its_position_runs_it_once_and_from_a_current_page(
    day: Day, other: Callable[[str], Awaitable[Scope]]
) -> None:
    day.script("sleep 30")
    with pytest.raises(Forbidden, match="belongs to another position: DevOps lead"):
        await day.ask(await other("operations"))
    with pytest.raises(NotFound):
        await day.database.run(lambda s: commands.request_run(s, day.lead, "github", "access_status", ScriptForm(), ""))
    with pytest.raises(Rejected, match="cannot be run here: no folder") as refused:
        await day.ask(why="no folder")
    assert refused.value.remedy == "Do the step by hand."
    first = await day.ask(version=0, key="press")
    assert await day.ask(version=0, key="press") == first
    with pytest.raises(Rejected, match="changed this step"):
        await day.ask(version=0, key="another")
    with pytest.raises(Rejected, match="Only an open step can be started"):
        await day.ask(key="another")
    for change in (Change.FINISH, Change.FAIL, Change.UNDO):
        with pytest.raises(Rejected, match="A worker runs the script"):
            await day.do(change, "words")
    steps = await day.database.read(lambda s: steps_view(s, day.lead, day.phase))
    assert steps.cards[0].moves == ()
    count = await day.database.read(lambda s: s.scalar(select(func.count()).select_from(ScriptRun)))
    assert count == 1


async def test_nothing_is_run_while_the_phase_is_on_hold(day: Day) -> None:
    day.script(SUCCESS)
    await press(day.database, day.lead, "github", PhaseChange.HOLD, reason="wait")
    with pytest.raises(Rejected, match="Phase 2 is on hold"):
        await day.ask()


async def test_a_step_by_hand_is_no_script(day: Day) -> None:
    day.script(SUCCESS)
    await day.do(Change.START)
    assert (await day.view()).sentence == "By hand, in place of the script."
    await day.do(Change.FINISH, "set up in the console")


async def test_an_abort_ends_it_within_five_seconds_and_names_who(
    day: Day, other: Callable[[str], Awaitable[Scope]]
) -> None:
    day.script(
        "trap '' TERM; echo begun; (setsid bash -c 'trap \"\" TERM; while :; do sleep 1; done' &)\n"
        "while :; do sleep 1; done"
    )
    number = await day.ask()
    task = day.worker().begin(number)
    await day.printed("begun")
    with pytest.raises(Forbidden):
        await day.abort(await other("operations"))
    began = asyncio.get_running_loop().time()
    await day.abort(await other("project_manager"))
    assert (await day.view()).word == "ENDING"
    await task
    assert asyncio.get_running_loop().time() - began < 5
    run, step = await day.run(number), await day.step()
    assert step is not None
    assert (run.state, step.state) == ("aborted", "failed")
    assert step.evidence.startswith("Aborted by Project manager; the script and all it started were ended.")
    with pytest.raises(Rejected, match="does not run"):
        await day.abort()


async def test_an_abort_before_any_worker_took_it(day: Day) -> None:
    day.script("touch ran")
    number = await day.ask()
    await day.abort()
    await day.worker().ensure(number)
    assert (await day.run(number)).state == "aborted"
    assert not (day.folder / "ran").exists()


STUBBORN = (
    "trap '' TERM; echo begun; (setsid bash -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' &)\n"
    "while :; do sleep 1; done"
)
"""It hears no TERM, and has a child in a session of its own."""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_aborting_the_phase_ends_its_script_and_all_it_started(
    day: Day, other: Callable[[str], Awaitable[Scope]]
) -> None:
    day.script(STUBBORN)
    number = await day.ask()
    task = day.worker().begin(number)
    await day.printed("begun")
    await day.until(lambda: asyncio.to_thread((day.folder / "child").exists))
    child = int((day.folder / "child").read_text())
    manager = await other("project_manager")
    page = await day.database.read(lambda s: phase_view(s, manager, day.phase))
    says = next(row.says for row in page.controls if row.key == "abort")
    assert says.startswith(f"Ends its script, with all it started: bash {CONFIG}.")
    began = asyncio.get_running_loop().time()
    await press(day.database, manager, "github", PhaseChange.ABORT, reason="The token leaked")
    run = await day.run(number)
    assert run.abort_at is not None, "in the transaction of the phase's own change"
    page = await day.database.read(lambda s: phase_view(s, manager, day.phase))
    assert page.ended_scripts == f"Its script is ended now, with all it started, within 5 s: bash {CONFIG}."
    await task
    assert asyncio.get_running_loop().time() - began < 5
    assert not is_alive(child)
    run, step = await day.run(number), await day.step()
    assert step is not None
    assert (run.state, step.state) == ("aborted", "failed")
    assert run.reason == ("Aborted by Project manager (with phase 2); the script and all it started were ended.")
    page = await day.database.read(lambda s: phase_view(s, manager, day.phase))
    assert page.ended_scripts == f"Its script was ended with it: bash {CONFIG}."
    kinds = [event.kind for event in await log_of(day.database, day.deployment)]
    assert kinds[-4:] == ["phases.aborted", "scripts.abort.asked", "steps.failed", "scripts.ended"]


async def test_a_script_that_nobody_began_is_never_begun_once_its_phase_is_aborted(
    day: Day, other: Callable[[str], Awaitable[Scope]]
) -> None:
    day.script("touch ran")
    number = await day.ask()
    await press(day.database, await other("project_manager"), "github", PhaseChange.ABORT, reason="Not today")
    assert (await day.run(number)).state == "waiting", "a worker records it"
    await Runs(day.database, None, "without a folder").ensure(number)
    run, step = await day.run(number), await day.step()
    assert step is not None
    assert (run.state, step.state) == ("aborted", "failed")
    assert run.reason == "Aborted by Project manager (with phase 2) before it began."
    assert not (day.folder / "ran").exists()


async def test_aborting_the_deployment_ends_every_script(day: Day, other: Callable[[str], Awaitable[Scope]]) -> None:
    day.script(STUBBORN)
    number = await day.ask()
    task = day.worker().begin(number)
    await day.printed("begun")
    manager = await other("project_manager")
    await day.database.run(lambda s: deployments.abort(s, manager, "The release is withdrawn"))
    await task
    assert (await day.run(number)).state == "aborted"


async def test_holding_the_phase_lets_its_script_come_to_its_end(day: Day) -> None:
    day.script("echo begun; sleep 1; " + SUCCESS)
    number = await day.ask()
    task = day.worker().begin(number)
    await day.printed("begun")
    await press(day.database, day.lead, "github", PhaseChange.HOLD, reason="lunch")
    await task
    assert (await day.run(number)).state == "done"


async def run_out(database: Database) -> None:
    late = func.clock_timestamp() - text("interval '1 second'")
    await database.run(lambda s: s.execute(update(ScriptRun).values(lease_until=late)))


async def test_a_run_whose_worker_is_gone_is_lost_and_never_begun_again(day: Day) -> None:
    day.script("echo run >> runs; " + SUCCESS)
    number = await day.ask()
    claimed = await day.database.run(lambda s: commands.claim(s, number, "dead"))
    assert claimed is not None
    worker = day.worker()
    await worker.sweep()
    assert (await day.run(number)).state == "running", "its lease still holds"
    await run_out(day.database)
    await worker.sweep()
    await asyncio.sleep(0.5)
    run, step = await day.run(number), await day.step()
    assert step is not None
    assert (run.state, step.state) == ("lost", "failed")
    assert "Whether the script came to its end is not known" in step.evidence
    assert not (day.folder / "runs").exists()


async def test_a_worker_that_stood_still_records_nothing_over_the_newer_state(day: Day) -> None:
    day.script("echo begun; sleep 2; " + SUCCESS)
    number = await day.ask()
    frozen = day.worker("frozen")
    task = frozen.begin(number)
    await day.printed("begun")
    await run_out(day.database)
    await day.worker("other").sweep()
    await day.do(Change.BYPASS, "set up by hand")
    await task
    run, step = await day.run(number), await day.step()
    assert step is not None
    assert (run.state, step.state, step.evidence) == ("lost", "skipped", "set up by hand")
    assert "Organization" not in await day.output()


async def test_what_the_plan_calls_idempotent_is_run_again_once(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    again = day.action.model_copy(update={"idempotent": True})
    monkeypatch.setattr("app.scripts.commands.script_of", lambda *_: (day.phase, again))
    day.script("echo run >> runs; " + SUCCESS)
    number = await day.ask()
    await day.database.run(lambda s: commands.claim(s, number, "dead"))
    await run_out(day.database)
    worker = day.worker()
    await worker.sweep()
    await worker.ensure(number)
    run = await day.run(number)
    assert (run.state, run.begun) == ("done", 2)
    assert (day.folder / "runs").read_text() == "run\n"


def test_a_script_is_gone_before_its_lease_is_over() -> None:
    assert commands.LEASE.total_seconds() >= HOLDS_S + GRACE + 1


@pytest.mark.parametrize("is_repeated", [True, False])
async def test_what_cannot_hold_its_lease_ends_where_another_worker_would_repeat_it(
    day: Day, monkeypatch: pytest.MonkeyPatch, is_repeated: bool
) -> None:
    """Whatever keeps this worker from PostgreSQL; here, somebody who locked the run."""
    action = day.action.model_copy(update={"idempotent": is_repeated})
    monkeypatch.setattr("app.scripts.commands.script_of", lambda *_: (day.phase, action))
    day.script("while :; do touch beat; sleep 0.1; done")
    number = await day.ask()
    worker = day.worker()
    task = worker.begin(number)
    await day.until(lambda: asyncio.to_thread((day.folder / "beat").exists))
    async with day.database.session() as session:
        await session.execute(select(ScriptRun).where(ScriptRun.id == number).with_for_update())
        await asyncio.sleep(HOLDS_S + 2)
        assert (time.time() - (day.folder / "beat").stat().st_mtime > 1) is is_repeated
        await session.rollback()
    if is_repeated:
        await task
        assert (await day.run(number)).state == "running", "what comes next is whose it is who finds the lease run out"
        await run_out(day.database)
        await day.worker("other").sweep()
        await day.until(lambda: is_in(day, number, "waiting"))
    for each in day.workers:
        await each.stop()


async def test_after_a_silence_of_postgresql_who_holds_a_lease_comes_first(day: Day) -> None:
    day.script("sleep 60")
    number = await day.ask()
    await day.database.run(lambda s: commands.claim(s, number, "holder"))
    await run_out(day.database)
    worker = day.worker()
    worker.answered_at = machine_now() - SILENT_S - 1
    await worker.sweep()
    assert (await day.run(number)).state == "running", "its worker could not renew it either"
    await day.database.run(lambda s: commands.renew(s, number, "holder"))
    worker.patient_until = 0.0
    await worker.sweep()
    assert (await day.run(number)).state == "running"


async def test_much_output_is_bounded_and_followed_by_a_browser_that_is_behind(day: Day) -> None:
    day.script(
        "yes 'a line that is rather long, so that it becomes a lot' | head -c 12000000; echo; echo the end; exit 1"
    )
    number = await day.ask()
    await day.worker().ensure(number)
    run, whole = await day.run(number), await day.output()
    assert run.total == 12_000_000 + len("\nthe end\n")
    assert len(whole) < HEAD + TAIL + 200_000
    assert whole.endswith("the end\n")
    assert "left out here …" in whole
    assert run.left_out > 0
    seen, at, last = "", 0, 0
    while True:
        last = number if at else 0
        pieces = await day.database.read(
            lambda s, run=last, after=at: queries.pieces_after(s, day.lead, day.phase, day.action, run, after)  # type: ignore[misc]
        )
        assert len(pieces.text) <= 2 * queries.AT_ONCE
        seen, at = seen + pieces.text, pieces.after
        if not pieces.has_more:
            break
    assert seen.endswith("the end\n")
    assert len(seen) <= queries.BEHIND_MOST + queries.AT_ONCE


async def test_the_estimate_is_the_median_of_what_succeeded_here(day: Day) -> None:
    day.script(SUCCESS)
    assert (await day.view()).progress.words == "Planned 30\u00a0min"
    await day.worker().ensure(await day.ask())
    start = func.clock_timestamp() - text("interval '42 seconds'")
    await day.database.run(
        lambda s: s.execute(update(ScriptRun).values(started_at=start, finished_at=func.clock_timestamp()))
    )
    assert (await day.view()).progress.words == "Usually 42\u00a0s (1 run), planned 30\u00a0min"


async def test_a_running_script_is_shown_against_what_is_expected_and_says_when_it_is_late(day: Day) -> None:
    day.script("sleep 30")
    number = await day.ask()
    worker = day.worker()
    worker.begin(number)

    async def began() -> bool:
        return (await day.run(number)).started_at is not None

    await day.until(began)
    view = await day.view()
    assert (view.progress.has_bar, view.progress.late) == (True, "")
    start = func.clock_timestamp() - text("interval '32 minutes'")
    await day.database.run(lambda s: s.execute(update(ScriptRun).values(started_at=start)))
    assert (await day.view()).progress.late == "2\u00a0min longer than planned"
    await worker.stop()


async def test_a_worker_that_ends_in_good_order_ends_its_script_and_says_so(day: Day) -> None:
    day.script("echo begun; while :; do sleep 1; done")
    number = await day.ask()
    worker = day.worker()
    worker.begin(number)
    await day.printed("begun")
    await worker.stop()
    assert (await day.run(number)).state == "aborted"
    step = await day.step()
    assert step is not None
    assert step.evidence.startswith("The worker that ran it was stopped")


def test_states_in_words() -> None:
    assert set(queries._MARKS) == set(State)


# ── what a rollback must not wait for ───────────────────────────────────────


async def test_a_worker_runs_so_many_at_once_and_leaves_the_others(day: Day) -> None:
    day.script("echo begun; sleep 60")
    busy = day.worker("busy")
    busy.at_once = 1
    first = await day.ask()
    busy.begin(first)
    await day.printed("begun")
    second = await second_run(day)
    await busy.begin(second)
    assert (await day.run(second)).state == "waiting", "whoever is free takes it"
    day.worker("free").begin(second)
    await day.until(lambda: is_in(day, second, "running"))
    assert (await day.run(second)).worker == "free"
    for worker in day.workers:
        await worker.stop()


async def second_run(day: Day) -> int:
    """Another step's run of the same script, as if the plan had it."""

    async def write(session: AsyncSession) -> int:
        found = await session.scalar(select(ScriptRun))
        assert found is not None
        kept = {
            c.key: getattr(found, c.key) for c in ScriptRun.__table__.columns if c.key not in ("id", "deployment_id")
        }
        kept |= {"state": "waiting", "worker": "", "lease_until": None, "begun": 0, "started_at": None, "seen": {}}
        kept |= {"requested_at": await database_now(session) - timedelta(seconds=1)}
        other = await session.scalar(
            insert(Deployment).from_select(*copied(Deployment, day.deployment.id)).returning(Deployment.id)
        )
        row = ScriptRun(deployment_id=other, **kept)
        session.add(row)
        await session.flush()
        return row.id

    return await day.database.run(write)


def copied(table: Any, number: int) -> tuple[list[str], Any]:
    columns = [column for column in table.__table__.columns if column.key != "id"]
    return [column.key for column in columns], select(*columns).where(table.id == number)


async def is_in(day: Day, number: int, state: str) -> bool:
    return (await day.run(number)).state == state


async def test_a_run_of_the_attempt_before_that_is_not_over_is_named(day: Day) -> None:
    day.script("sleep 60")
    number = await day.ask()

    async def step_begins_anew(session: AsyncSession) -> None:
        await session.execute(delete(StepRun).where(StepRun.step == "configure_github"))

    await day.database.run(step_begins_anew)
    with pytest.raises(Rejected, match="is not over"):
        await day.ask(version=0, key="another press")
    assert (await day.run(number)).state == "waiting"


async def test_a_claim_whose_answer_was_lost_is_taken_up_again(day: Day) -> None:
    """PostgreSQL went away between the commit and its answer: the transaction is run again as a whole."""
    day.script(SUCCESS)
    number = await day.ask()
    for _ in range(2):
        run = await day.database.run(lambda s: commands.claim(s, number, "worker-1"))
        assert run is not None
        assert (run.begun, run.worker) == (1, "worker-1")
    assert await day.database.run(lambda s: commands.claim(s, number, "worker-2")) is None


async def test_a_press_that_waited_for_who_took_its_seat_away_runs_nothing(day: Day) -> None:
    mine = RosterSeat.person_id == day.lead.viewer.person_id
    await day.database.run(lambda s: s.execute(delete(RosterSeat).where(mine)))
    with pytest.raises(Forbidden, match="given to somebody else"):
        await day.ask()
    assert await day.database.read(lambda s: s.scalar(select(func.count()).select_from(ScriptRun))) == 0


def test_scripts_never_take_a_connection_that_a_rollback_needs(settings: Settings, site: Site, tmp_path: Path) -> None:
    settings.site_file.write_text(site.model_dump_json(warnings=False))
    worker = Worker.make(replace(settings, data_dir=tmp_path))
    assert worker.runs.database.engine is not worker.database.engine
    assert worker.drives.database is worker.database


async def test_nothing_is_run_once_the_deployment_is_aborted(day: Day) -> None:
    """Phases that people lead stay as they were; what acts on the outside does not go on."""
    await day.database.run(lambda s: s.execute(update(Deployment).values(state="aborted")))
    with pytest.raises(Rejected, match="was aborted"):
        await day.ask()
