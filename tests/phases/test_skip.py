"""Skipping takes two people of two positions; a wish that nobody agrees to ages in sight and lapses."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Person, PhaseRun, RosterSeat
from app.domain.errors import Rejected
from app.domain.phases import Change, State
from app.domain.plan import Plan
from app.phases.commands import change_phase
from app.phases.commands_skip import agree, ask, lapse, withdraw
from app.phases.forms import AgreeForm, MoveForm, PhaseForm
from app.phases.queries_day import day_view
from app.phases.tasks import keep_phases
from app.web.access import Forbidden, Scope
from tests.phases.ready import log_of, press, run_of, running
from tests.phases.test_phases import the_log_tells_the_rows

ScopeOf = Callable[..., Awaitable[Scope]]


async def asks(database: Database, scope: Scope, phase: str = "github", reason: str = "done last week") -> None:
    version = (await run_of(database, scope.deployment, phase)).version
    await database.run(lambda s: ask(s, scope, phase, PhaseForm(reason=reason, version=version)))


async def run(database: Database, command: Any, scope: Scope, phase: str = "github") -> None:
    """Agree or withdraw from a page that shows what is there now."""
    row = await run_of(database, scope.deployment, phase)
    form = (AgreeForm(version=row.version, asked_at=row.skip_asked_at),) if command is agree else ()
    await database.run(lambda session: command(session, scope, phase, *form))


async def sits_too(database: Database, deployment: Deployment, login: str, position: str) -> None:
    async def write(session: AsyncSession) -> None:
        person = (await session.execute(select(Person).where(Person.login == login))).scalar_one()
        session.add(RosterSeat(deployment_id=deployment.id, position=position, seat=9, person_id=person.id))

    await database.run(write)


def known_as(scope: Scope, position: str) -> Scope:
    """The seat on `position` comes first: the one that this person is called by."""
    return replace(scope, seats=tuple(sorted(scope.seats, key=lambda seat: seat.position != position)))


async def is_old(database: Database, deployment: Deployment, minutes: int) -> None:
    async def write(session: AsyncSession) -> None:
        at = func.clock_timestamp() - text(f"interval '{minutes} minutes'")
        mine = update(PhaseRun).where(PhaseRun.deployment_id == deployment.id, PhaseRun.skip_asked_at.is_not(None))
        await session.execute(mine.values(skip_asked_at=at))

    await database.run(write)


async def test_one_asks_and_another_of_another_position_agrees(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await asks(database, lead)
    assert (await run_of(database, deployment, "github")).state == State.PLANNED
    for login in ("project_manager", "executive"):
        scope = await scope_of(deployment, login)
        view = await database.read(lambda session, scope=scope: day_view(session, scope))  # type: ignore[misc]
        assert view.headline == "DevOps lead asks to skip phase 2: a second position must agree"
        asked = view.lines[0].asked
        assert asked is not None
        assert bool(asked.agree) == (login == "project_manager")
    await run(database, agree, manager)
    row = await run_of(database, deployment, "github")
    assert (row.state, row.reason, row.skip_asked_at) == (State.SKIPPED, "done last week", None)
    assert row.changed_by == "DevOps lead and Project manager"
    await the_log_tells_the_rows(database, deployment, plan)
    with pytest.raises(Rejected, match="Nobody asks to skip"):
        await run(database, agree, manager)


async def test_nobody_agrees_with_themselves_nor_with_their_own_position(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    lead = await scope_of(deployment, "devops_lead")
    await asks(database, lead)
    await asks(database, lead)  # the same wish twice is one
    with pytest.raises(Rejected, match="You asked to skip it yourself"):
        await run(database, agree, lead)

    await sits_too(database, deployment, "support", "devops_lead")
    with pytest.raises(Rejected, match="has your position"):
        await run(database, agree, await scope_of(deployment, "support"))
    assert len([e for e in await log_of(database, deployment) if e.kind == "phases.skip.asked"]) == 1


async def test_a_second_seat_without_the_right_makes_no_second_position(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    """Both may skip by the DevOps lead's position alone; that one of them sits in the support too changes nothing."""
    await sits_too(database, deployment, "devops_lead", "executive")
    await asks(database, known_as(await scope_of(deployment, "devops_lead"), "executive"))
    assert (await run_of(database, deployment, "github")).skip_asked_position == "devops_lead"
    await sits_too(database, deployment, "support", "devops_lead")
    with pytest.raises(Rejected, match="has your position"):
        await run(database, agree, await scope_of(deployment, "support"))
    await run(database, agree, await scope_of(deployment, "project_manager"))


async def test_a_wish_goes_with_the_seat_that_gave_the_right(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await sits_too(database, deployment, "devops_lead", "executive")
    lead = known_as(await scope_of(deployment, "devops_lead"), "executive")
    await asks(database, lead)
    gone = (RosterSeat.person_id == lead.viewer.person_id) & (RosterSeat.position == "devops_lead")
    await database.run(lambda s: s.execute(delete(RosterSeat).where(gone)))
    with pytest.raises(Rejected, match="not on the roster any more"):
        await run(database, agree, await scope_of(deployment, "project_manager"))


async def test_an_agreement_that_waited_for_who_took_its_seat_away_counts_for_nothing(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await asks(database, await scope_of(deployment, "devops_lead"))
    manager = await scope_of(deployment, "project_manager")
    mine = RosterSeat.person_id == manager.viewer.person_id
    await database.run(lambda s: s.execute(delete(RosterSeat).where(mine)))
    with pytest.raises(Forbidden, match="given to somebody else"):
        await run(database, agree, manager)
    assert (await run_of(database, deployment, "github")).state == State.PLANNED


async def test_who_leads_neither_the_phase_nor_the_day_has_no_say(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    backend = await scope_of(deployment, "backend_lead")
    with pytest.raises(Forbidden):
        await asks(database, backend)
    await asks(database, await scope_of(deployment, "devops_lead"))
    for command in (agree, withdraw):
        with pytest.raises(Forbidden):
            await run(database, command, backend)


async def test_agreeing_from_a_stale_page_skips_nothing(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await asks(database, lead)
    shown = await run_of(database, deployment, "github")
    form = AgreeForm(version=shown.version, asked_at=shown.skip_asked_at)

    async def agrees(sent: AgreeForm) -> None:
        await database.run(lambda session: agree(session, manager, "github", sent))

    with pytest.raises(Rejected, match="changed this phase since this page was drawn") as refused:
        await agrees(AgreeForm(version=shown.version + 1, asked_at=shown.skip_asked_at))
    assert refused.value.code == "stale"
    with pytest.raises(Rejected, match="showed another wish"):
        await agrees(AgreeForm(version=shown.version))

    # Another wish, with another reason, is not the one that was read.
    await run(database, withdraw, lead)
    await asks(database, lead, reason="GitHub is down")
    with pytest.raises(Rejected, match="DevOps lead asks now, “GitHub is down”") as refused:
        await agrees(form)
    assert (refused.value.code, refused.value.conflict) == ("stale", True)

    # The phase was moved meanwhile: the wish stands, but what it was given for is another time.
    later = (await run_of(database, deployment, "github")).planned_at
    assert later is not None
    wish = await run_of(database, deployment, "github")
    move = MoveForm(version=wish.version, reason="later", planned_at=later + timedelta(days=30))
    await database.run(lambda session: change_phase(session, lead, "github", Change.RESCHEDULE, move))
    with pytest.raises(Rejected, match="DevOps lead changed this phase since"):
        await agrees(AgreeForm(version=wish.version, asked_at=wish.skip_asked_at))
    assert (await run_of(database, deployment, "github")).state == State.PLANNED
    await run(database, agree, manager)
    assert (await run_of(database, deployment, "github")).state == State.SKIPPED


async def test_agreeing_sent_twice_is_one(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    manager = await scope_of(deployment, "project_manager")
    await asks(database, await scope_of(deployment, "devops_lead"))
    row = await run_of(database, deployment, "github")
    form = AgreeForm(version=row.version, asked_at=row.skip_asked_at, key="press-1")
    for _ in range(3):
        await database.run(lambda session: agree(session, manager, "github", form))
    assert len([e for e in await log_of(database, deployment) if e.kind == "phases.skipped"]) == 1


@pytest.mark.parametrize("gone", ["disabled", "unseated"])
async def test_a_wish_of_somebody_who_is_gone_counts_for_nothing(
    database: Database, deployment: Deployment, scope_of: ScopeOf, gone: str
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await asks(database, lead)

    async def leave(session: AsyncSession) -> None:
        who = lead.viewer.person_id
        if gone == "disabled":
            await session.execute(update(Person).where(Person.id == who).values(is_disabled=True))
        else:
            await session.execute(delete(RosterSeat).where(RosterSeat.person_id == who))

    await database.run(leave)
    with pytest.raises(Rejected, match="not on the roster any more"):
        await run(database, agree, manager)
    assert (await run_of(database, deployment, "github")).state == State.PLANNED
    await run(database, withdraw, manager)


async def test_a_wish_lapses_by_itself_and_the_phase_stays(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await asks(database, lead)
    assert await database.run(lambda s: lapse(s, deployment.id, plan)) == []
    await is_old(database, deployment, 10)
    # Already before the worker comes by nobody can agree any more, and no page shows it.
    with pytest.raises(Rejected, match="Nobody asks to skip"):
        await run(database, agree, manager)
    view = await database.read(lambda session: day_view(session, manager))
    assert view.lines[0].asked is None
    await keep_phases(database)
    assert await database.run(lambda s: lapse(s, deployment.id, plan)) == []
    row = await run_of(database, deployment, "github")
    assert (row.state, row.skip_asked_at) == (State.PLANNED, None)
    last = (await log_of(database, deployment))[-1]
    assert last.text == "Nobody agreed to skip phase 2 within 10 min; it stays"
    await asks(database, manager)  # a new wish is a new one


async def test_one_person_is_enough_to_take_it_back(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await asks(database, await scope_of(deployment, "devops_lead"))
    await run(database, withdraw, await scope_of(deployment, "project_manager"))
    assert (await run_of(database, deployment, "github")).skip_asked_at is None


async def test_a_running_phase_is_not_skipped_and_starting_one_ends_the_wish(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await asks(database, lead)
    await running(database, deployment, plan, lead)
    assert (await run_of(database, deployment, "github")).skip_asked_at is None
    with pytest.raises(Rejected, match="A running phase cannot be skipped"):
        await asks(database, manager)


async def test_two_people_may_go_on_without_an_aborted_phase(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    await press(database, manager, "github", Change.ABORT, reason="GitHub is down for the day")
    with pytest.raises(Rejected, match="Phase 2 is aborted: two must skip it"):
        await press(database, lead, "staging", Change.START)
    await asks(database, manager, reason="The organisation stands already")
    await run(database, agree, lead)
    assert (await run_of(database, deployment, "github")).state == State.SKIPPED
    await the_log_tells_the_rows(database, deployment, plan)


@pytest.mark.parametrize("phase", ["production", "rollback"])
async def test_production_cannot_be_skipped(
    database: Database, deployment: Deployment, scope_of: ScopeOf, phase: str
) -> None:
    with pytest.raises(Rejected) as refused:
        await asks(database, await scope_of(deployment, "project_manager"), phase)
    assert refused.value.code == "by_course"
