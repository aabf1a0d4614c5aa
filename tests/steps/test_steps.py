"""Steps on PostgreSQL: whose they are, evidence, failures and who decides them, what comes after a phase."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Event, Operation, StepRun
from app.deployments.commands import abort, apply, database_now, lock
from app.domain.deployments import Change as Course
from app.domain.errors import Rejected
from app.domain.phases import Change as PhaseChange
from app.domain.plan import Plan
from app.domain.steps import Change, Happened, State, Step, evolve
from app.eventlog.log import SYSTEM
from app.steps.commands import change_step
from app.steps.forms import StepForm
from app.steps.queries import step_of
from app.steps.queries_panels import after_view, steps_view
from app.web.access import Forbidden, NotFound, Scope
from tests.phases.ready import log_of, press, running

ScopeOf = Callable[..., Awaitable[Scope]]


async def row_of(database: Database, deployment: Deployment, step: str, attempt: int = 1) -> StepRun | None:
    wanted = select(StepRun).where(
        StepRun.deployment_id == deployment.id, StepRun.step == step, StepRun.attempt == attempt
    )

    async def query(session: AsyncSession) -> StepRun | None:
        return (await session.execute(wanted.execution_options(populate_existing=True))).scalar_one_or_none()

    return await database.read(query)


async def do(
    database: Database,
    scope: Scope,
    step: str,
    change: Change,
    words: str = "",
    version: int | None = None,
    phase: str = "github",
) -> None:
    if version is None:
        row = await row_of(database, scope.deployment, step, scope.deployment.attempt if phase == "rollback" else 1)
        version = row.version if row else 0
    form = StepForm(text=words, version=version)
    await database.run(lambda session: change_step(session, scope, phase, step, change, form))


def folded(events: list[Event], step: str) -> Step:
    found = Step()
    for event in events:
        if event.kind.startswith("steps.") and event.payload["step"] == step:
            at = event.payload["at"]
            change = Happened(
                Change(event.kind),
                datetime.fromisoformat(at),
                event.payload["by"],
                event.payload["text"],
                event.payload["by_hand"],
            )
            found = evolve(found, change)
    return found


async def test_a_step_is_started_and_finished_with_evidence_by_its_position(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await running(database, deployment, plan, await scope_of(deployment, "devops_lead"))
    security = await scope_of(deployment, "security_officer")
    await do(database, security, "confirm_protection", Change.START)
    with pytest.raises(Rejected, match="What shows it is missing") as refused:
        await do(database, security, "confirm_protection", Change.FINISH, "  ")
    assert refused.value.code == "text"
    words = "https://github.example/settings/branches <b>all</b> 5 protected"
    await do(database, security, "confirm_protection", Change.FINISH, words)
    row = await row_of(database, deployment, "confirm_protection")
    assert row is not None
    assert (row.state, row.evidence, row.who, row.by_hand) == (State.DONE, words, "Security officer", False)
    assert row.started_at is not None
    assert row.finished_at is not None
    assert step_of(row) == folded(await log_of(database, deployment), "confirm_protection")
    card = next(
        card
        for card in (await database.read(lambda s: steps_view(s, security, plan.phase("github")))).cards
        if card.key == "confirm_protection"
    )
    assert [piece.url for piece in card.proof] == ["https://github.example/settings/branches", ""]


async def test_a_step_of_another_position_is_not_touched(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    for login in ("devops_lead", "project_manager", "operations"):
        with pytest.raises(Forbidden, match="belongs to another position: security officer"):
            await do(database, await scope_of(deployment, login), "confirm_protection", Change.START)
    # Without a position of its own a step belongs to who leads the phase.
    with pytest.raises(Forbidden, match="DevOps lead"):
        await do(database, await scope_of(deployment, "backend_lead"), "access_status", Change.START)
    await do(database, lead, "access_status", Change.START)
    for phase, step in (("github", "nothing"), ("nothing", "access_status"), ("github", "after-99")):
        with pytest.raises(NotFound):
            await do(database, lead, step, Change.START, phase=phase)


async def test_steps_begin_with_their_phase(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    with pytest.raises(Rejected, match="Phase 2 is planned"):
        await do(database, lead, "access_status", Change.START)
    view = await database.read(lambda s: steps_view(s, lead, plan.phase("github")))
    assert view.closed == "Phase 2 is planned: its steps are worked on while it runs."
    assert not any(card.moves for card in view.cards)
    await running(database, deployment, plan, lead)
    await do(database, lead, "access_status", Change.START)
    await press(database, lead, "github", PhaseChange.HOLD, reason="GitHub is down")
    with pytest.raises(Rejected, match="Phase 2 is on hold"):
        await do(database, lead, "confirm_teams", Change.START)
    await do(database, lead, "access_status", Change.FINISH, "all nine")


async def test_who_was_faster_is_named_and_nothing_is_recorded_twice(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    await do(database, lead, "confirm_teams", Change.START, version=0)
    with pytest.raises(Rejected, match="DevOps lead changed this step") as refused:
        await do(database, lead, "confirm_teams", Change.START, version=0)
    assert refused.value.conflict
    assert len([e for e in await log_of(database, deployment) if e.kind == Change.START]) == 1


async def test_a_failure_is_decided_by_who_leads_again_by_hand_or_stop(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    operations = await scope_of(deployment, "operations")
    await running(database, deployment, plan, lead)
    await do(database, lead, "configure_github", Change.START)
    await do(database, lead, "configure_github", Change.FAIL, "HTTP 403 Forbidden")
    view = await database.read(lambda s: steps_view(s, lead, plan.phase("github")))
    card = view.cards[0]
    assert (card.mark, card.advice) == ("crit", "Stop, document the error, take the manual set-up path.")
    assert [move.key for move in card.moves] == ["retry", "bypass", "stop"]
    assert (await database.read(lambda s: steps_view(s, operations, plan.phase("github")))).cards[0].moves == ()
    with pytest.raises(Forbidden):
        await do(database, operations, "configure_github", Change.RETRY)
    with pytest.raises(Rejected, match="Failed and not decided"):
        await press(database, lead, "github", PhaseChange.COMPLETE)
    await do(database, manager, "configure_github", Change.RETRY)
    await do(database, lead, "configure_github", Change.START)
    await do(database, lead, "configure_github", Change.FAIL, "again HTTP 403")
    with pytest.raises(Rejected, match="A reason is missing"):
        await do(database, lead, "configure_github", Change.BYPASS)
    await do(database, lead, "configure_github", Change.BYPASS, "set up in the browser, step by step")
    row = await row_of(database, deployment, "configure_github")
    assert row is not None
    assert (row.state, row.tries) == (State.SKIPPED, 2)
    assert step_of(row) == folded(await log_of(database, deployment), "configure_github")


async def test_a_script_done_by_hand_says_so(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await running(database, deployment, plan, lead)
    await do(database, lead, "verify_github", Change.START)
    await do(database, lead, "verify_github", Change.FINISH, "exit status 0")
    card = (await database.read(lambda s: steps_view(s, lead, plan.phase("github")))).cards[1]
    assert card.note == "By hand in place of the script"
    assert "by hand" in (await log_of(database, deployment))[-1].text


async def test_what_was_done_can_be_taken_back_while_the_phase_runs(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await running(database, deployment, plan, lead)
    await do(database, lead, "confirm_teams", Change.START)
    await do(database, lead, "confirm_teams", Change.FINISH, "6 teams")
    await do(database, manager, "confirm_teams", Change.UNDO)
    row = await row_of(database, deployment, "confirm_teams")
    assert row is not None
    assert (row.state, row.evidence, row.finished_at) == (State.OPEN, "", None)


async def test_what_traffic_does_is_not_pressed_here_and_shows_what_it_did(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    with pytest.raises(Rejected) as refused:
        await do(database, lead, "switch_to_green", Change.START, phase="production")
    assert refused.value.code == "traffic"

    async def moved(session: AsyncSession) -> None:
        now = await database_now(session)
        session.add(
            Operation(
                deployment_id=deployment.id, attempt=1, target="production", kind="switch", state="done", epoch=7,
                want_blue=0, idempotency_key="k", requested_by="DevOps lead", frozen_signoffs={}, clicked_at=now,
                accepted_at=now, finished_at=now,
            )
        )  # fmt: skip

    before = (await database.read(lambda s: steps_view(s, lead, plan.production))).cards[0]
    await database.run(moved)
    after = (await database.read(lambda s: steps_view(s, lead, plan.production))).cards[0]
    assert (before.word, after.word) == ("Open", "Done")
    assert after.link == ("Open the Switch page", f"/d/{deployment.id}/switch")


async def test_lines_after_a_phase_are_ticked_in_their_groups_once_it_runs_or_is_over(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    with pytest.raises(Rejected, match="Phase 2 is planned"):
        await do(database, lead, "after-1", Change.TICK)
    await running(database, deployment, plan, lead)
    await do(database, lead, "after-1", Change.TICK)
    view = await database.read(lambda s: after_view(s, lead, plan.phase("github")))
    assert [(group.title, len(group.cards)) for group in view.groups] == [
        ("Immediately", 4), ("Standup", 3), ("Executives", 1)
    ]  # fmt: skip
    assert (view.done, view.total) == (1, 8)
    assert view.groups[0].cards[0].title == "Document the completion time"
    await do(database, lead, "after-1", Change.UNDO)
    assert (await database.read(lambda s: after_view(s, lead, plan.phase("github")))).done == 0


async def test_an_aborted_deployment_starts_nothing_more_and_records_what_ran(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await running(database, deployment, plan, lead)
    await do(database, lead, "access_status", Change.START)
    await database.run(lambda s: abort(s, manager, "The release is withdrawn"))
    phase = plan.phase("github")
    view = await database.read(lambda s: steps_view(s, lead, phase))
    assert view.closed == "The deployment was aborted: nothing more is started; what runs can be brought to its end."
    assert {move.key for card in view.cards for move in card.moves} == {"finish", "fail"}
    after = await database.read(lambda s: after_view(s, lead, phase))
    assert after.closed == "The deployment was aborted: what comes after this phase will not come."
    for step, change in (("configure_github", Change.START), ("access_status", Change.UNDO), ("after-1", Change.TICK)):
        with pytest.raises(Rejected, match="was aborted: nothing more is started") as refused:
            await do(database, lead, step, change)
        assert refused.value.conflict
    await do(database, lead, "access_status", Change.FINISH, "all have access")
    row = await row_of(database, deployment, "access_status")
    assert row is not None
    assert row.state == "done"


async def test_the_steps_of_a_rollback_are_worked_on_after_it_and_begin_anew_with_the_next_attempt(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    async def to(*changes: Course) -> None:
        async def write(session: AsyncSession) -> None:
            row = await lock(session, deployment.id)
            for change in changes:
                await apply(session, row, change, actor=SYSTEM, text="x", payload={"operation": 1})

        await database.run(write)

    await to(Course.PROCEED, Course.ARM, Course.SWITCH, Course.ROLL_BACK, Course.ROLLBACK_DONE)
    support = await scope_of(deployment, "support")
    await do(database, support, "rollback_notice", Change.START, phase="rollback")
    await do(database, support, "rollback_notice", Change.FINISH, "#alawael-deployment", phase="rollback")
    await to(Course.NEW_ATTEMPT)
    support = await scope_of(deployment, "support")
    cards = (await database.read(lambda s: steps_view(s, support, plan.phase("rollback")))).cards
    assert {card.key: card.word for card in cards}["rollback_notice"] == "Open"
    assert await row_of(database, deployment, "rollback_notice", 1) is not None
