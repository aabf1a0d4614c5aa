"""Canaries on PostgreSQL: who may press what, twice, stale, and what the duty does by itself."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.commands import Look, approve, go_on, keep, report, take_back
from app.canary.forms import CanaryForm
from app.canary.queries import judgement_of
from app.canary.queries_page import canary_view
from app.canary.tasks import find_kept
from app.db.engine import Database
from app.db.tables import Alert, CanaryReading, CanaryRun, Deployment, Operation, PhaseRun
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.eventlog.log import verify_chain
from app.steps.queries import unsettled
from app.traffic.queries import latest_operation
from app.triggers.commands import IncomingAlert, record_alert
from app.web.access import Forbidden
from tests.canary.ready import (
    PHASE,
    TARGET,
    WELL,
    begin,
    ended,
    form_of,
    looked,
    operation_of,
    pressed,
    staging_runs,
    stood,
    the_run,
)
from tests.conftest import ScopeOf, Seeder


async def shifts(database: Database, deployment: Deployment) -> list[int]:
    """GREEN's share of each shift ordered, oldest first."""
    wanted = select(Operation.want_blue).where(Operation.deployment_id == deployment.id, Operation.kind == "shift")
    found = await database.read(lambda session: session.scalars(wanted.order_by(Operation.id)))
    return [100 - blue for blue in found]


async def test_a_whole_canary(database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf) -> None:
    lead, backend = await scope_of(at_ten, "devops_lead"), await scope_of(at_ten, "backend_lead")
    for step in plan.phase(PHASE).canary:
        assert (await the_run(database, at_ten)).state == "dwelling"
        await stood(database, at_ten, plan, step.dwell_s, step.percent)
        run = await the_run(database, at_ten)
        assert run.state == "gate"
        with pytest.raises(Rejected, match="Backend team approves: not yet"):
            await pressed(database, at_ten, go_on, lead)
        await pressed(database, at_ten, approve, backend)
        if step.percent == 100:
            break
        await pressed(database, at_ten, go_on, lead)
        run = await the_run(database, at_ten)
        assert (run.state, run.approved_at, run.dwelt_s) == ("shifting", None, 0), "approval ends with its step"
        await ended(database, at_ten)
        await looked(database, at_ten, plan, read=100 - (await operation_of(database, at_ten)).want_blue)
    run = await looked(database, at_ten, plan, read=100)
    assert run.state == "done"
    assert await shifts(database, at_ten) == [10, 25, 50, 100]
    left, failed = await database.read(lambda s: unsettled(s, at_ten, plan.phase(PHASE)))
    assert "Route traffic to staging step by step" not in [*left, *failed]
    assert await database.read(lambda s: latest_operation(s, at_ten)) is None, "the production pages show no shift"
    assert await database.read(lambda s: verify_chain(s, at_ten.id)) is None


async def test_only_who_leads_starts_and_only_while_the_phase_runs(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    with pytest.raises(Rejected, match="does not run"):
        await begin(database, await scope_of(deployment, "devops_lead"))
    await staging_runs(database, deployment)
    for login in ("support", "operations", "devops_1"):
        with pytest.raises(Forbidden):
            await begin(database, await scope_of(deployment, login))
    await begin(database, await scope_of(deployment, "devops_lead"), key="once")
    await begin(database, await scope_of(deployment, "devops_lead"), key="once")
    assert await shifts(database, deployment) == [10]
    with pytest.raises(Rejected, match="begun already"):
        await begin(database, await scope_of(deployment, "devops_lead"))


async def test_only_the_backend_team_approves_and_reports(
    database: Database, at_ten: Deployment, scope_of: ScopeOf
) -> None:
    form = await form_of(database, at_ten, "slow queries")
    for login in ("devops_lead", "security_officer", "project_manager"):
        other = await scope_of(at_ten, login)
        for press in (approve, report):
            with pytest.raises(Forbidden):
                await database.run(lambda s, p=press, o=other: p(s, o, PHASE, form))  # type: ignore[misc]
    backend = await scope_of(at_ten, "backend_1")
    await database.run(lambda s: report(s, backend, PHASE, form))
    run = await the_run(database, at_ten)
    assert run.state == "rolling_back"
    assert "slow queries" in run.reason
    assert await shifts(database, at_ten) == [10, 0]
    await database.run(lambda s: report(s, backend, PHASE, form))
    assert await shifts(database, at_ten) == [10, 0], "twice is once"


async def test_a_stale_page_cannot_go_on_but_can_go_back(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, backend = await scope_of(at_ten, "devops_lead"), await scope_of(at_ten, "backend_lead")
    old = await form_of(database, at_ten)
    await stood(database, at_ten, plan, 300, 10)
    fresh = await form_of(database, at_ten)
    await database.run(lambda s: approve(s, backend, PHASE, fresh))
    with pytest.raises(Rejected, match="since this page was drawn"):
        await database.run(lambda s: go_on(s, lead, PHASE, old))
    await database.run(lambda s: take_back(s, lead, PHASE, old))
    assert await shifts(database, at_ten) == [10, 0]


async def test_silence_pauses_and_the_dwell_stands_still(database: Database, at_ten: Deployment, plan: Plan) -> None:
    await stood(database, at_ten, plan, 30, 10)
    before = (await the_run(database, at_ten)).dwelt_s

    dark = {"error_rate": None}
    run = await looked(database, at_ten, plan, values=dark)
    assert run.state == "dwelling", "a single silence is not told"
    assert run.dark_since is not None
    await database.run(_long_dark)
    run = await looked(database, at_ten, plan, values=dark)
    assert (run.state, run.dwelt_s) == ("inconclusive", before)
    assert "no figure" in run.reason
    run = await looked(database, at_ten, plan)
    assert run.state == "dwelling"
    assert run.dwelt_s == before


async def test_a_look_is_as_old_as_its_question(database: Database, at_ten: Deployment, plan: Plan) -> None:
    """Its worker stood still for 20 s between the balancer's answer and the record; another one looked meanwhile."""
    run = await stood(database, at_ten, plan, 30, 10)
    measured = tuple((metric, 0.0, 50) for metric in WELL)
    old = Look(True, 99, True, measured, began=100.0)
    await database.run(lambda session: keep(session, run.id, plan, old, monotonic=lambda: 120.0))
    after = await the_run(database, at_ten)
    assert (after.read_green, after.read_at) == (10, run.read_at), "what was read since stays"
    newest = select(func.max(CanaryReading.at)).where(CanaryReading.value == 0.0, CanaryReading.metric == "cpu")
    at = await database.read(lambda session: session.scalar(newest))
    assert at is not None
    assert run.read_at is not None
    assert at < run.read_at - timedelta(seconds=15)


async def test_what_takes_it_back_counts_while_a_share_is_on_its_way(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    """A tenth is on GREEN all the while, whether the next share is on its way or was refused."""
    lead, backend = await scope_of(at_ten, "devops_lead"), await scope_of(at_ten, "backend_lead")
    await stood(database, at_ten, plan, 300, 10)
    await pressed(database, at_ten, approve, backend)
    await pressed(database, at_ten, go_on, lead)
    for _ in range(2):
        assert (await looked(database, at_ten, plan, is_well=False)).state == "shifting"
    run = await looked(database, at_ten, plan, is_well=False)
    assert (run.state, run.reason) == ("rolling_back", "GREEN fails its health check: 3 in a row")
    assert await shifts(database, at_ten) == [10, 25, 0]


async def test_what_takes_it_back_counts_while_a_refused_share_leaves_the_one_before(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, backend = await scope_of(at_ten, "devops_lead"), await scope_of(at_ten, "backend_lead")
    await stood(database, at_ten, plan, 300, 10)
    await pressed(database, at_ten, approve, backend)
    await pressed(database, at_ten, go_on, lead)
    await ended(database, at_ten, "refused", "green healthy is unknown: no answer")
    assert (await looked(database, at_ten, plan)).state == "waiting"
    alarm = IncomingAlert("Port scan", "firing", "critical", "security")
    await database.run(lambda s: record_alert(s, at_ten.id, "pager", alarm, target=TARGET))
    assert (await looked(database, at_ten, plan)).state == "rolling_back"


async def test_a_new_share_does_not_reset_a_breach_that_runs(
    database: Database, at_ten: Deployment, plan: Plan
) -> None:
    """20 s of it were before the share arrived, 12 s since."""
    run = await stood(database, at_ten, plan, 300, 10)

    async def breach(session: AsyncSession) -> None:
        now = await database_now(session)
        await session.execute(delete(CanaryReading).where(CanaryReading.metric == "error_rate"))
        for back in range(0, 33, 2):
            at = now - timedelta(seconds=back)
            session.add(CanaryReading(run_id=run.id, metric="error_rate", at=at, value=4.0, samples=50))
        row = await session.get_one(CanaryRun, run.id)
        row.step_since = now - timedelta(seconds=12)

    await database.run(breach)
    run = await looked(database, at_ten, plan, values={"error_rate": 4.0})
    assert run.state == "rolling_back"
    assert "Error rate above 1 % (sustained)" in run.reason


async def test_an_approval_of_another_share_counts_for_none(database: Database, at_ten: Deployment, plan: Plan) -> None:
    await stood(database, at_ten, plan, 300, 10)

    async def said_before(session: AsyncSession) -> None:
        row = (await session.execute(select(CanaryRun))).scalar_one()
        assert row.step_since is not None
        row.approved_by, row.approved_at = "Backend lead", row.step_since - timedelta(seconds=1)

    await database.run(said_before)

    async def verdict(session: AsyncSession) -> str:
        row = (await session.execute(select(CanaryRun))).scalar_one()
        deployment = await session.get_one(Deployment, at_ten.id)
        now = await database_now(session)
        return (await judgement_of(session, deployment, plan, plan.phase(PHASE), row, now)).why

    assert await database.read(verdict) == "Backend team approves: not yet"


async def _long_dark(session: AsyncSession) -> None:
    await session.execute(
        update(CanaryRun).values(dark_since=func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, 9))
    )


async def test_a_critical_security_alert_takes_it_back(database: Database, at_ten: Deployment, plan: Plan) -> None:
    async def alarm(session: AsyncSession) -> None:
        now = await database_now(session)
        session.add(
            Alert(deployment_id=at_ten.id, source="pager", name="Port scan", state="firing", severity="critical",
                  category="security", trigger="", text="", raised_by="", key="", received_at=now)
        )  # fmt: skip

    await database.run(alarm)
    run = await looked(database, at_ten, plan)
    assert run.state == "rolling_back"
    assert "Port scan" in run.reason
    await ended(database, at_ten)
    assert (await looked(database, at_ten, plan, read=0)).state == "rolled_back"
    assert await database.read(find_kept) == []


async def test_a_refused_shift_moves_nothing_and_waits(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await staging_runs(database, deployment)
    lead = await scope_of(deployment, "devops_lead")
    await begin(database, lead)
    await ended(database, deployment, "refused", "GREEN is not healthy: 0 of 1 targets")
    run = await looked(database, deployment, plan, read=0)
    assert (run.state, run.reason) == ("waiting", "GREEN is not healthy: 0 of 1 targets")
    form = await form_of(database, deployment)
    await database.run(lambda s: go_on(s, lead, PHASE, form))
    assert await shifts(database, deployment) == [10, 10]


async def test_a_phase_on_hold_raises_no_share_and_can_still_go_back(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead, backend = await scope_of(at_ten, "devops_lead"), await scope_of(at_ten, "backend_lead")
    await stood(database, at_ten, plan, 300, 10)
    await pressed(database, at_ten, approve, backend)
    held = update(PhaseRun).where(PhaseRun.phase == PHASE).values(state="on_hold")
    await database.run(lambda s: s.execute(held))
    form = await form_of(database, at_ten)
    with pytest.raises(Rejected, match="does not run"):
        await database.run(lambda s: go_on(s, lead, PHASE, form))
    await database.run(lambda s: take_back(s, lead, PHASE, form))
    assert await shifts(database, at_ten) == [10, 0]


async def test_a_complete_canary_is_not_taken_back_under_another_deployments(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf, seed: Seeder
) -> None:
    """The target's traffic is the newer canary's now; it is refused in words and moves nothing of the other's."""

    async def complete(session: AsyncSession) -> None:
        row = (await session.execute(select(CanaryRun))).scalar_one()
        row.state, row.finished_at = "done", await database_now(session)

    await database.run(complete)
    other = await another_deployment(database, at_ten)
    lead = await scope_of(at_ten, "devops_lead")

    async def begun_elsewhere(session: AsyncSession) -> None:
        row = (await session.execute(select(CanaryRun))).scalar_one()
        now = await database_now(session)
        session.add(
            CanaryRun(deployment_id=other, phase=PHASE, target=TARGET, state="dwelling", started_by="Somebody",
                      started_at=now, state_since=now, operation_id=row.operation_id)
        )  # fmt: skip

    await database.run(begun_elsewhere)
    form = CanaryForm(key="late")
    with pytest.raises(Rejected, match=f"canary of deployment {other} has staging"):
        await database.run(lambda s: take_back(s, lead, PHASE, form))
    assert await shifts(database, at_ten) == [10]


async def another_deployment(database: Database, like: Deployment) -> int:
    async def write(session: AsyncSession) -> int:
        first = await session.get_one(Deployment, like.id)
        columns = {column.key: getattr(first, column.key) for column in Deployment.__table__.columns}
        columns.pop("id")
        made = Deployment(**columns)
        session.add(made)
        await session.flush()
        return made.id

    return await database.run(write)


async def test_the_page_says_each_line_with_its_value(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await stood(database, at_ten, plan, 60, 10)
    lead = await scope_of(at_ten, "devops_lead")
    view = await database.read(lambda s: canary_view(s, lead, PHASE))
    assert view.verdict == "PENDING"
    assert view.left.startswith("at least ")
    assert view.left.endswith(" left by the plan")
    assert [line.title for line in view.proceed][:5] == [
        line.title
        for line in plan.phase(PHASE).canary_gate.proceed_if  # type: ignore[union-attr]
    ]
    assert (view.proceed[0].found, view.proceed[0].limit) == ("40 ms", "below 300 ms")
    assert {press.key for press in view.presses} == {"go_on", "take_back"}
    backend = await scope_of(at_ten, "backend_1")
    view = await database.read(lambda s: canary_view(s, backend, PHASE))
    assert {press.key for press in view.presses} == {"approve", "report", "take_back"}
    reader = await scope_of(at_ten, "executive")
    assert (await database.read(lambda s: canary_view(s, reader, PHASE))).presses == ()


async def test_two_duties_at_once_order_one_way_back(
    committed_db: Database, seed: object, plan: Plan, settings: object
) -> None:
    from tests.conftest import make_scope_of

    deployment: Deployment = await seed(committed_db)  # type: ignore[operator]
    await staging_runs(committed_db, deployment)
    await begin(committed_db, await make_scope_of(committed_db, settings)(deployment, "devops_lead"))  # type: ignore[arg-type]
    await ended(committed_db, deployment)
    await looked(committed_db, deployment, plan)
    await asyncio.gather(*(looked(committed_db, deployment, plan, is_well=False) for _ in range(6)))
    assert await shifts(committed_db, deployment) == [10, 0]
    assert (await the_run(committed_db, deployment)).target == TARGET
