"""Alerts about a canary's target: what the plan's gate makes of them, and that production is another matter."""

import pytest

from app.canary.commands import approve, go_on
from app.canary.queries_page import canary_view
from app.db.engine import Database
from app.db.tables import Deployment
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.triggers.commands import IncomingAlert, record_alert
from app.web.access import Scope
from tests.canary.ready import PHASE, TARGET, looked, pressed, stood
from tests.conftest import ScopeOf


async def alarmed(
    database: Database, deployment: Deployment, state: str, severity: str, category: str, target: str = TARGET
) -> None:
    alert = IncomingAlert("Port scan", state, severity, category)
    await database.run(lambda s: record_alert(s, deployment.id, "pager", alert, target=target))


async def at_the_gate(database: Database, deployment: Deployment, plan: Plan, backend: Scope) -> None:
    await stood(database, deployment, plan, 300, 10)
    await pressed(database, deployment, approve, backend)


async def test_an_alert_holds_the_gate_while_it_fires(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(at_ten, "devops_lead")
    await at_the_gate(database, at_ten, plan, await scope_of(at_ten, "backend_lead"))
    await alarmed(database, at_ten, "firing", "warning", "security")
    assert (await looked(database, at_ten, plan)).state == "gate"
    view = await database.read(lambda s: canary_view(s, lead, PHASE))
    assert (view.verdict, view.why) == ("PENDING", "No security alerts: Port scan")
    assert [(line.word, line.title) for line in view.alerts] == [("Holds the gate", "Port scan")]
    with pytest.raises(Rejected, match="Port scan"):
        await pressed(database, at_ten, go_on, lead)
    await alarmed(database, at_ten, "unknown", "warning", "security")
    assert (await database.read(lambda s: canary_view(s, lead, PHASE))).verdict == "INCONCLUSIVE"
    await alarmed(database, at_ten, "resolved", "warning", "security")
    view = await database.read(lambda s: canary_view(s, lead, PHASE))
    assert (view.verdict, [line.word for line in view.alerts]) == ("PASSED", ["Over"])
    await pressed(database, at_ten, go_on, lead)


async def test_an_alert_that_no_line_names_is_shown_and_does_nothing(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    lead = await scope_of(at_ten, "devops_lead")
    await at_the_gate(database, at_ten, plan, await scope_of(at_ten, "backend_lead"))
    await alarmed(database, at_ten, "firing", "critical", "capacity")
    await looked(database, at_ten, plan)
    view = await database.read(lambda s: canary_view(s, lead, PHASE))
    assert view.verdict == "PASSED"
    assert [(line.word, line.limit) for line in view.alerts] == [("Recorded", "no line of the gate names it")]


async def test_a_critical_alert_that_is_resolved_at_once_takes_it_back_all_the_same(
    database: Database, at_ten: Deployment, plan: Plan
) -> None:
    await alarmed(database, at_ten, "firing", "critical", "security")
    await alarmed(database, at_ten, "resolved", "critical", "security")
    assert (await looked(database, at_ten, plan)).state == "rolling_back"


async def test_an_alert_about_production_is_not_the_canarys(
    database: Database, at_ten: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    await alarmed(database, at_ten, "firing", "critical", "security", target="production")
    assert (await looked(database, at_ten, plan)).state == "dwelling"
    lead = await scope_of(at_ten, "devops_lead")
    assert (await database.read(lambda s: canary_view(s, lead, PHASE))).alerts == ()


async def test_before_the_canary_its_alerts_are_shown(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await alarmed(database, deployment, "firing", "critical", "security")
    lead = await scope_of(deployment, "devops_lead")
    view = await database.read(lambda s: canary_view(s, lead, PHASE))
    assert [(line.word, line.limit) for line in view.alerts] == [("Recorded", "it came before the canary")]
