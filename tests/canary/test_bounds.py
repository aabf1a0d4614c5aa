"""What a canary must never reach: another deployment's target, a word of somebody who left, an alert that is hidden."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.commands import approve, go_on, start, take_back
from app.canary.forms import CanaryForm, StartForm
from app.canary.queries import ALERTS_OF_A_KIND, alerts_of
from app.canary.queries_page import canary_view
from app.canary.tasks import Kept, Watched, keep_all
from app.config import Settings
from app.db.engine import Database
from app.db.tables import Alert, CanaryReading, CanaryRun, Deployment, Person, PhaseRun, RosterSeat
from app.deployments import commands as deployments
from app.deployments.commands import arm, database_now
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.eventlog.log import SYSTEM
from app.metrics.commands import sweep
from app.phases.queries_day import day_view
from app.phases.queries_phase import phase_view
from app.providers.clock import SystemClock
from app.signoffs.queries_board import board
from app.traffic.commands import request_shift
from app.web.access import Forbidden, Scope
from tests.canary.ready import PHASE, TARGET, WELL, begin, ended, looked, pressed, staging_runs, stood, the_run
from tests.canary.test_canary import shifts
from tests.conftest import ScopeOf, Seeder, make_scope_of
from tests.traffic.armed import arm as arm_as_a_team


async def switches(database: Database, deployment: Deployment, target: str) -> None:
    """As if this deployment's plan switched that target."""

    async def write(session: AsyncSession) -> None:
        await session.execute(update(Deployment).where(Deployment.id == deployment.id).values(target=target))

    await database.run(write)


async def complete(database: Database, deployment: Deployment) -> None:
    async def write(session: AsyncSession) -> None:
        row = await session.get_one(CanaryRun, (await the_run(database, deployment)).id, populate_existing=True)
        row.state, row.finished_at = "done", await database_now(session)

    await database.run(write)


# ── another deployment's target ───────────────────────────────────────────────────────────────────────────────────


async def test_what_another_deployment_switches_is_never_shifted(
    database: Database, deployment: Deployment, seed: Seeder, scope_of: ScopeOf
) -> None:
    await staging_runs(database, deployment)
    other = await seed(database)
    await switches(database, other, TARGET)
    with pytest.raises(Rejected, match=f"production target of deployment {other.id}"):
        await begin(database, await scope_of(deployment, "devops_lead"))
    assert await shifts(database, deployment) == []


async def test_a_share_does_not_grow_on_what_became_production_meanwhile(
    database: Database, at_ten: Deployment, plan: Plan, seed: Seeder, scope_of: ScopeOf
) -> None:
    lead, backend = await scope_of(at_ten, "devops_lead"), await scope_of(at_ten, "backend_lead")
    await switches(database, await seed(database), TARGET)
    await stood(database, at_ten, plan, 300, 10)
    await pressed(database, at_ten, approve, backend)
    with pytest.raises(Rejected, match="is switched, never shifted"):
        await pressed(database, at_ten, go_on, lead)
    await pressed(database, at_ten, take_back, lead)
    assert await shifts(database, at_ten) == [10, 0], "the way back is open all the same"


async def test_nobody_arms_a_target_that_a_canary_moves(
    database: Database, at_ten: Deployment, seed: Seeder, scope_of: ScopeOf
) -> None:
    other = await seed(database)
    await arm_as_a_team(database, other, scope_of)
    await switches(database, other, TARGET)
    await database.run(lambda s: s.execute(update(Deployment).values(state="proceeded", armed_at=None)))
    with pytest.raises(Rejected, match=f"canary of deployment {at_ten.id} has the target"):
        await database.run(lambda s, o=await scope_of(other, "devops_lead"): arm(s, o))  # type: ignore[misc]


async def test_a_complete_canary_has_let_go_of_its_target(
    database: Database, at_ten: Deployment, seed: Seeder, scope_of: ScopeOf
) -> None:
    await complete(database, at_ten)
    other = await seed(database)
    await staging_runs(database, other)
    await begin(database, await scope_of(other, "devops_lead"))
    with pytest.raises(Rejected, match=f"canary of deployment {other.id} has staging"):
        await database.run(lambda s, o=await scope_of(at_ten, "devops_lead"): take_back(s, o, PHASE, CanaryForm()))  # type: ignore[misc]
    assert await shifts(database, other) == [10]
    assert await shifts(database, at_ten) == [10]


async def test_of_two_deployments_that_start_at_once_one_does_and_the_other_is_told(
    committed_db: Database, seed: Seeder, settings: Settings
) -> None:
    scope_of = make_scope_of(committed_db, settings)
    scopes = []
    for _ in range(2):
        made = await seed(committed_db)
        await staging_runs(committed_db, made)
        scopes.append(await scope_of(made, "devops_lead"))
    both = asyncio.Barrier(2)

    async def press(scope: Scope) -> None:
        async def write(session: AsyncSession) -> None:
            await both.wait()
            await start(session, scope, PHASE, StartForm(), bound=(TARGET,))

        await committed_db.run(write)

    found = await asyncio.gather(*(press(scope) for scope in scopes), return_exceptions=True)
    refused = [each for each in found if each is not None]
    assert len(refused) == 1
    assert isinstance(refused[0], Rejected)
    assert "A canary of deployment" in str(refused[0])


async def test_the_order_itself_refuses_another_deployments_production(
    database: Database, deployment: Deployment, seed: Seeder
) -> None:
    await switches(database, await seed(database), "elsewhere")

    async def write(session: AsyncSession) -> None:
        row = await session.get_one(Deployment, deployment.id)
        await request_shift(session, row, "elsewhere", 5, actor=SYSTEM, key="k")

    with pytest.raises(Rejected, match="production target"):
        await database.run(write)


# ── words and alerts ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("gone", ["unseated", "disabled"])
async def test_an_approval_counts_while_its_person_has_the_seat(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf, gone: str
) -> None:
    lead, backend = await scope_of(at_ten, "devops_lead"), await scope_of(at_ten, "backend_1")
    await stood(database, at_ten, plan, 300, 10)
    await pressed(database, at_ten, approve, backend)
    await looked(database, at_ten, plan)

    async def leave(session: AsyncSession) -> None:
        who = backend.viewer.person_id
        if gone == "disabled":
            await session.execute(update(Person).where(Person.id == who).values(is_disabled=True))
        else:
            await session.execute(delete(RosterSeat).where(RosterSeat.person_id == who))

    await database.run(leave)
    with pytest.raises(Rejected, match="Backend team approves: not yet"):
        await pressed(database, at_ten, go_on, lead)
    other = await scope_of(at_ten, "backend_lead")
    view = await database.read(lambda s: canary_view(s, other, PHASE))
    assert "approve" in [press.key for press in view.presses], "somebody who is there can approve in their place"
    await pressed(database, at_ten, approve, other)
    await pressed(database, at_ten, go_on, lead)
    assert await shifts(database, at_ten) == [10, 25]


async def test_a_press_that_waited_for_who_took_its_seat_away_counts_for_nothing(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    """The request came with the seat; by the time it had the deployment, the seat was somebody else's."""
    await stood(database, at_ten, plan, 300, 10)
    backend = await scope_of(at_ten, "backend_1")
    mine = RosterSeat.person_id == backend.viewer.person_id
    await database.run(lambda s: s.execute(delete(RosterSeat).where(mine)))
    with pytest.raises(Forbidden, match="given to somebody else"):
        await pressed(database, at_ten, approve, backend)
    assert (await the_run(database, at_ten)).approved_at is None


async def test_a_flood_of_alerts_hides_no_critical_one(database: Database, at_ten: Deployment, plan: Plan) -> None:
    async def flood(session: AsyncSession) -> None:
        now = await database_now(session)
        rows = [_alert(at_ten, "warning", "capacity", now + timedelta(milliseconds=number)) for number in range(1, 300)]
        await session.execute(
            insert(Alert), [*rows, _alert(at_ten, "critical", "security", now + timedelta(seconds=1))]
        )

    await database.run(flood)
    run = await looked(database, at_ten, plan)
    assert run.state == "rolling_back"
    assert "Security alerts triggered" in run.reason


async def test_an_alert_that_comes_and_goes_hides_none_that_still_fires(
    database: Database, at_ten: Deployment, plan: Plan
) -> None:
    """Over a long canary it fires and is resolved more often than alerts of a kind are looked at."""

    async def flap(session: AsyncSession) -> None:
        now = await database_now(session)
        still = _alert(at_ten, "warning", "security", now)
        other = {**_alert(at_ten, "warning", "security", now), "name": "It comes and goes"}
        rows = [{**other, "state": "firing" if n % 2 == 0 else "resolved"} for n in range(2 * ALERTS_OF_A_KIND + 2)]
        await session.execute(insert(Alert), [still, *rows])

    await database.run(flap)
    deployment = await database.read(lambda s: s.get_one(Deployment, at_ten.id))
    since = (await the_run(database, at_ten)).started_at
    seen = await database.read(lambda s: alerts_of(s, deployment, plan, TARGET, since))
    assert {alert.name: alert.stands for alert in seen} == {"security alert": "firing", "It comes and goes": "resolved"}


def _alert(deployment: Deployment, severity: str, category: str, at: Any) -> dict[str, Any]:
    said = {"source": "prometheus", "name": f"{category} alert", "state": "firing", "text": "", "raised_by": ""}
    kind = {"severity": severity, "category": category, "trigger": "", "key": "", "received_at": at}
    return {"deployment_id": deployment.id, **said, **kind}


# ── the duty ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_target_that_the_site_no_longer_binds_keeps_no_other_canary_waiting(
    committed_db: Database, seed: Seeder, settings: Settings
) -> None:
    scope_of = make_scope_of(committed_db, settings)
    for target in ("unbound", TARGET):
        made = await seed(committed_db)
        await staging_runs(committed_db, made)
        await begin(committed_db, await scope_of(made, "devops_lead"))
        await ended(committed_db, made)
        moved = update(CanaryRun).where(CanaryRun.deployment_id == made.id).values(target=target)
        await committed_db.run(lambda s, m=moved: s.execute(m))  # type: ignore[misc]
    bound: list[str] = []

    def bind(kept: Kept) -> Watched:
        if kept.target == "unbound":
            raise LookupError("site.yaml binds no target 'unbound'")
        bound.append(kept.target)
        raise asyncio.CancelledError  # it came so far; nothing is to be probed here

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await keep_all(committed_db, SystemClock(), bind)
    assert bound == [TARGET]


async def test_what_was_measured_does_not_grow_for_ever(database: Database, at_ten: Deployment, plan: Plan) -> None:
    """A canary that nobody ends is measured each second."""
    assert await database.run(_sweep_now) == 0
    yesterday = func.clock_timestamp() - timedelta(hours=25)
    await database.run(lambda s: s.execute(update(CanaryReading).values(at=yesterday)))
    await looked(database, at_ten, plan)
    assert await database.run(_sweep_now) > 0
    left = await database.read(lambda s: s.scalars(select(CanaryReading.metric)))
    assert sorted(left) == sorted([*WELL, "green_health"]), "what is young stays"


async def _sweep_now(session: AsyncSession) -> int:
    return await sweep(session, await database_now(session))


# ── what was called off ───────────────────────────────────────────────────────────────────────────────────────────


async def abort(database: Database, scope: Scope) -> None:
    await database.run(lambda session: deployments.abort(session, scope, "The release is withdrawn"))


async def test_an_aborted_deployments_canary_goes_back_and_every_page_says_so(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    manager, lead = await scope_of(at_ten, "project_manager"), await scope_of(at_ten, "devops_lead")
    before = await database.read(lambda s: board(s, manager))
    assert before.gate.leaves == "The canary of phase 3 (10 % of staging) goes back to BLUE with it."
    await abort(database, manager)
    after = await database.read(lambda s: board(s, manager))
    assert after.gate.leaves == "The canary of phase 3 (10 % of staging) goes back to BLUE now."
    day = await database.read(lambda s: day_view(s, manager))
    assert day.advice.endswith("The canary of phase 3 (10 % of staging) goes back to BLUE now.")
    with pytest.raises(Rejected, match="was aborted: no share grows any more"):
        await pressed(database, at_ten, go_on, lead)
    run = await looked(database, at_ten, plan)
    assert (run.state, run.reason) == ("rolling_back", "the deployment was aborted")
    await ended(database, at_ten)
    run = await looked(database, at_ten, plan, read=0)
    assert run.state == "rolled_back"
    assert run.finished_at is not None, "its target is another deployment's to have"
    assert not (await database.read(lambda s: board(s, manager))).gate.leaves
    page = await database.read(lambda s: canary_view(s, lead, PHASE))
    assert [(press.key, press.closed) for press in page.presses] == [("start", "The deployment was aborted.")]
    with pytest.raises(Rejected, match="was aborted: no share grows any more"):
        await begin(database, lead)


async def test_a_share_on_its_way_when_the_deployment_is_aborted_goes_back_too(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await staging_runs(database, deployment)
    await begin(database, await scope_of(deployment, "devops_lead"))
    await abort(database, await scope_of(deployment, "project_manager"))
    assert (await looked(database, deployment, plan)).state == "rolling_back"


async def test_a_complete_canary_of_an_aborted_deployment_stays_until_somebody_takes_it_back(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    """It let go of its target when it was complete, which may be another's by now: only a person takes it back."""
    await complete(database, at_ten)
    await database.run(lambda s: s.execute(update(CanaryRun).values(step=3)))
    manager, lead = await scope_of(at_ten, "project_manager"), await scope_of(at_ten, "devops_lead")
    said = "staging stays at 100 % on GREEN until somebody takes it back"
    assert said in (await database.read(lambda s: board(s, manager))).gate.leaves
    await abort(database, manager)
    assert said in (await database.read(lambda s: board(s, manager))).gate.leaves
    page = await database.read(lambda s: canary_view(s, lead, PHASE))
    assert "take_back" in [press.key for press in page.presses]
    await pressed(database, at_ten, take_back, lead)
    assert (await the_run(database, at_ten)).state == "rolling_back"


@pytest.mark.parametrize(("state", "word"), [("aborted", "aborted"), ("skipped", "skipped")])
async def test_a_phase_that_is_over_for_good_leaves_no_canary_standing(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf, state: str, word: str
) -> None:
    manager = await scope_of(at_ten, "project_manager")
    page = await database.read(lambda s: phase_view(s, manager, plan.phase(PHASE)))
    says = next(control.says for control in page.controls if control.key == "abort")
    assert says.startswith("The canary of phase 3 (10 % of staging) goes back to BLUE with it.")
    await database.run(lambda s: s.execute(update(PhaseRun).where(PhaseRun.phase == PHASE).values(state=state)))
    run = await looked(database, at_ten, plan)
    assert (run.state, run.reason) == ("rolling_back", f"phase 3 was {word}")
