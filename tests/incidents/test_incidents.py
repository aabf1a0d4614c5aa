"""Incidents: anybody raises one, the plan's positions check, whoever decides does so in time or silence escalates."""

import asyncio
import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Event, Incident, IncidentFinding
from app.deployments.commands import database_now
from app.domain.decisions import Rung
from app.domain.errors import Rejected
from app.domain.incidents import MOST_OPEN
from app.domain.spool import Line
from app.incidents.commands import decide, raise_incident, record_finding
from app.incidents.forms import DecideForm, FindingForm, RaiseForm
from app.incidents.tasks import keep_clocks
from app.traffic.commands_break_glass import take_in as take_spool_in
from tests.conftest import ScopeOf, Seeder, Web, make_scope_of
from tests.decisions.conftest import on_green
from tests.traffic.armed import press_rollback

SPIKE = "Response time spiked to 800 ms"


async def raised(database: Database, deployment: Deployment, scope_of: ScopeOf, by: str = "support") -> Incident:
    scope = await scope_of(deployment, by)
    form = RaiseForm(title=SPIKE, severity="critical", key="press-1")
    return await database.run(lambda session: raise_incident(session, scope, form))


async def found(database: Database, deployment: Deployment, scope_of: ScopeOf, by: str, number: int, text: str) -> None:
    scope = await scope_of(deployment, by)
    incident = await newest(database)
    await database.run(lambda s: record_finding(s, scope, incident.id, number, FindingForm(finding=text)))


async def decided(database: Database, deployment: Deployment, scope_of: ScopeOf, by: str, outcome: str) -> None:
    scope = await scope_of(deployment, by)
    incident = await newest(database)
    form = DecideForm.model_validate({"outcome": outcome, "reason": "One slow query"})
    await database.run(lambda session: decide(session, scope, incident.id, form))


async def newest(database: Database) -> Incident:
    async def query(session: AsyncSession) -> Incident:
        return (await session.scalars(select(Incident).order_by(Incident.id.desc()).limit(1))).one()

    return await database.read(query)


async def silence(database: Database, seconds: float) -> None:
    step = timedelta(seconds=seconds)

    async def write(session: AsyncSession) -> None:
        values = {"raised_at": Incident.raised_at - step, "rung_since": Incident.rung_since - step}
        await session.execute(update(Incident).values(**values))

    await database.run(write)
    await keep_clocks(database)


async def texts(database: Database) -> list[str]:
    async def query(session: AsyncSession) -> list[str]:
        return list(
            await session.scalars(select(Event.text).where(Event.kind.startswith("incidents.")).order_by(Event.id))
        )

    return await database.read(query)


@pytest.mark.parametrize("by", ["executive", "support", "backend_1", "project_manager"])
async def test_anybody_on_the_roster_raises_one_once(
    database: Database, deployment: Deployment, scope_of: ScopeOf, by: str
) -> None:
    first = await raised(database, deployment, scope_of, by)
    again = await raised(database, deployment, scope_of, by)
    assert first.id == again.id, "the same press twice is one incident"
    (text,) = await texts(database)
    assert text.endswith(f"raised an incident: {SPIKE}")


async def test_each_check_is_answered_by_its_position_and_once(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await raised(database, deployment, scope_of)
    at = (database, deployment, scope_of)
    await found(*at, "backend_lead", 0, "A slow query in the reports")
    await found(*at, "devops_2", 1, "All hosts are well")
    with pytest.raises(Rejected, match="Security officer checks for an attack") as wrong:
        await found(*at, "backend_lead", 2, "No attack")
    assert wrong.value.code == "position"
    with pytest.raises(Rejected, match="said already what was found") as twice:
        await found(*at, "devops_1", 1, "Nothing")
    assert twice.value.conflict
    with pytest.raises(Rejected, match="no such check"):
        await found(*at, "backend_lead", 7, "Something")

    async def query(session: AsyncSession) -> list[int]:
        return list(await session.scalars(select(IncidentFinding.number).order_by(IncidentFinding.number)))

    assert await database.read(query) == [0, 1]


async def test_the_decision_clock_is_two_minutes_and_silence_escalates(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await raised(database, deployment, scope_of)
    await silence(database, 119)
    assert (await newest(database)).rung == Rung.POSITION
    with pytest.raises(Rejected) as refusal:
        await decided(database, deployment, scope_of, "project_manager", "watch")
    assert refusal.value.code == "not_asked"
    await silence(database, 2)
    assert (await newest(database)).rung == Rung.LEADER
    await silence(database, 60)
    row = await newest(database)
    assert (row.rung, row.outcome, row.closed_at) == (Rung.EVERYBODY, "", None)
    assert "call VP Operations" in (await texts(database))[-1]


@pytest.mark.parametrize("outcome", ["no_action", "watch"])
async def test_the_lead_decides_with_a_reason_and_a_second_hears_who_was_faster(
    database: Database, deployment: Deployment, scope_of: ScopeOf, outcome: str
) -> None:
    await raised(database, deployment, scope_of)
    await decided(database, deployment, scope_of, "devops_lead", outcome)
    row = await newest(database)
    assert (row.outcome, row.reason, row.decided_by) == (outcome, "One slow query", "DevOps lead")
    with pytest.raises(Rejected, match=r"DevOps lead decided .+ ago") as late:
        await decided(database, deployment, scope_of, "devops_lead", "no_action")
    assert late.value.conflict
    with pytest.raises(Rejected, match="closed") as closed:
        await found(database, deployment, scope_of, "backend_lead", 0, "Too late")
    assert closed.value.conflict


async def test_escalating_leaves_it_open_for_everybody(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await raised(database, deployment, scope_of)
    await decided(database, deployment, scope_of, "devops_lead", "escalate")
    row = await newest(database)
    assert (row.rung, row.escalated_by, row.closed_at) == (Rung.EVERYBODY, "DevOps lead", None)
    await decided(database, deployment, scope_of, "project_manager", "watch")
    assert (await newest(database)).outcome == "watch"


async def test_a_rollback_ends_it_and_is_no_outcome_of_a_form(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await on_green(database, deployment, scope_of)
    await raised(database, deployment, scope_of)
    with pytest.raises(Rejected) as refusal:
        await decided(database, deployment, scope_of, "devops_lead", "rollback")
    assert refusal.value.code == "guard"
    await press_rollback(database, await scope_of(deployment, "devops_lead"), "r1")
    await keep_clocks(database)
    row = await newest(database)
    assert (row.outcome, row.decided_by) == ("rollback", "DevOps lead")


def spool_of(deployment: Deployment, at: datetime, *whats: str) -> list[Line]:
    """What break-glass on a worker's machine wrote down, by that machine's clock."""
    begin = {"who": "dana as gonogo", "host": "worker-1.example", "reason": "all is dark", "epoch": 1999}
    begin |= {"deployment": deployment.id, "target": deployment.target, "zone": "UTC"}
    lines = [Line("run-1", 1, at, "begin", "dana rolls Production back", begin)]
    return lines + [
        Line("run-1", n, at + timedelta(seconds=n), what, f"line {n}", {"reads_back": True} if what == "read" else {})
        for n, what in enumerate(whats, 2)
    ]


async def break_glass(database: Database, deployment: Deployment, ago_s: float, *whats: str) -> None:
    now = await database.read(database_now)
    lines = spool_of(deployment, now - timedelta(seconds=ago_s), *whats)
    await database.run(lambda session: take_spool_in(session, lines, is_over=True, worker="worker-1"))


async def test_a_rollback_by_break_glass_ends_it_too(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    clock = await on_green(database, deployment, scope_of)
    await clock.at(5.01)
    await clock.silence(30)
    await raised(database, deployment, scope_of)
    await silence(database, 30)
    await break_glass(database, deployment, 20, "intent", "applied", "read", "end")
    await keep_clocks(database)
    row = await newest(database)
    assert (row.outcome, row.reason) == ("rollback", "all is dark")
    assert row.decided_by == "dana as gonogo (break-glass on worker-1.example)"
    assert row.closed_at is not None
    now = await database.read(database_now)
    assert 10 < (now - row.closed_at).total_seconds() < 25, "when traffic went back, not when the log heard of it"
    assert (await texts(database))[-1] == (
        f"The incident “{SPIKE}” ended in a rollback by dana as gonogo (break-glass on worker-1.example)"
    )
    await clock.round()
    point = await clock.newest()
    assert (point.closing, point.answer) == ("void", "rollback")
    assert point.answered_by.startswith("dana as gonogo")


async def test_what_was_raised_after_break_glass_stays_open(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    """Traffic was back on BLUE when somebody saw it: the rollback did not end that."""
    await on_green(database, deployment, scope_of)
    await raised(database, deployment, scope_of)
    await break_glass(database, deployment, 600, "intent", "applied", "end")
    await keep_clocks(database)
    assert (await newest(database)).closed_at is None


@pytest.mark.parametrize("whats", [("read_nothing", "end"), ("intent", "end"), ("refused", "end")])
async def test_a_break_glass_that_moved_nothing_ends_nothing(
    database: Database, deployment: Deployment, scope_of: ScopeOf, whats: tuple[str, ...]
) -> None:
    """What it began and did not bring home the product does, and that rollback ends it."""
    await on_green(database, deployment, scope_of)
    await raised(database, deployment, scope_of)
    await silence(database, 30)
    await break_glass(database, deployment, 20, *whats)
    await keep_clocks(database)
    row = await newest(database)
    assert (row.closed_at is None) == ("intent" not in whats)
    assert row.decided_by == ("gonogo" if "intent" in whats else "")


async def test_a_machines_clock_that_is_ahead_ends_no_incident_of_later(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await on_green(database, deployment, scope_of)
    await break_glass(database, deployment, -3600, "intent", "applied", "end")
    await raised(database, deployment, scope_of)
    await keep_clocks(database)
    assert (await newest(database)).closed_at is None


async def test_two_decide_at_once_one_wins(committed_db: Database, seed: Seeder, web: Web) -> None:
    deployment = await seed(committed_db)
    scope_of = make_scope_of(committed_db, web.app.state.settings)
    await raised(committed_db, deployment, scope_of)
    await silence(committed_db, 121)
    at = (committed_db, deployment, scope_of)
    both = await asyncio.gather(
        decided(*at, "devops_lead", "watch"), decided(*at, "project_manager", "no_action"), return_exceptions=True
    )
    (loser,) = [each for each in both if isinstance(each, Rejected)]
    assert loser.reason.startswith(f"{(await newest(committed_db)).decided_by} decided")


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace("\u00a0", " "))


async def test_it_stands_on_every_page_until_it_is_closed(web: Web) -> None:
    reader, lead = await web.client_as("executive"), await web.client_as("devops_lead")
    base = f"/d/{web.deployment.id}"
    for title, severity in ((SPIKE, "critical"), ("Logs are slow", "warning")):
        sent = await reader.post(f"{base}/incidents/raise", data={"title": title, "severity": severity})
        assert sent.status_code == 303
    for path in ("", "/board", "/switch", "/timeline", "/decisions"):
        text = words((await lead.get(base + path)).text)
        assert "INCIDENT: DevOps lead decides within" in text, path
        assert f"{SPIKE} (raised by Executive)" in text
        assert "1 more in the timeline." in text
    shown = words((await lead.get(f"{base}/incidents")).text)
    for check in ("Backend lead checks the logs", "DevOps checks the infrastructure", "Security officer checks for"):
        assert check in shown
    first = (await newest(web.database)).id - 1
    for number in (first, first + 1):
        answer = await lead.post(
            f"{base}/incidents/{number}/decide",
            data={"outcome": "no_action", "reason": "A test of the load"},
            headers={"hx-request": "true"},
        )
        assert answer.status_code == 200
    text = words((await lead.get(f"{base}/incidents")).text)
    assert "INCIDENT" not in text
    assert "no action" in text
    assert "A test of the load" in text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"title": "x" * 201, "severity": "critical"}, "This is longer than 200 characters."),
        ({"title": "", "severity": "critical"}, "This field is empty."),
        ({"title": "Slow", "severity": "dreadful"}, "Choose one of"),
        ({}, "This field is missing."),
    ],
)
async def test_what_cannot_be_raised_is_said_at_its_field(web: Web, data: dict[str, str], said: str) -> None:
    client = await web.client_as("support")
    url = f"/d/{web.deployment.id}/incidents/raise"
    for headers in ({}, {"hx-request": "true"}):
        answer = await client.post(url, data=data, headers=headers)
        assert answer.status_code == 422
        assert said in words(answer.text)


async def test_what_a_person_wrote_is_text(web: Web) -> None:
    client = await web.client_as("support")
    evil = '<img src=x onerror="alert(1)">'
    base = f"/d/{web.deployment.id}"
    await client.post(f"{base}/incidents/raise", data={"title": evil, "severity": "critical"})
    for path in ("/incidents", "/board"):
        page = (await client.get(base + path)).text
        assert "<img" not in page
        assert "&lt;img" in page


async def test_no_more_are_open_than_anybody_can_look_after(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "support")
    for number in range(MOST_OPEN):
        form = RaiseForm(title=f"Number {number}", severity="warning", key=f"flood-{number}")
        await database.run(lambda session, form=form: raise_incident(session, scope, form))  # type: ignore[misc]
    with pytest.raises(Rejected, match="20 incidents are open already") as refusal:
        await raised(database, deployment, scope_of)
    assert refusal.value.code == "too_many"
    await decided(database, deployment, scope_of, "devops_lead", "no_action")
    assert (await raised(database, deployment, scope_of)).title == SPIKE


async def test_the_key_of_one_person_is_not_that_of_another(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    """Whoever sends a key that somebody else used hears of the conflict; nothing is taken for done."""
    await raised(database, deployment, scope_of)
    lead, manager = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "project_manager")
    incident, form = await newest(database), DecideForm(outcome="watch", reason="One slow query", key="k1")
    for _ in range(2):
        await database.run(lambda session: decide(session, lead, incident.id, form))
    with pytest.raises(Rejected, match="DevOps lead decided"):
        await database.run(lambda session: decide(session, manager, incident.id, form))


def test_a_title_is_one_line_in_the_direction_of_its_letters() -> None:
    form = RaiseForm(title="All is well\n\n\u202edekcor\u2066 \x85\u2028now", severity="warning")
    assert form.title == "All is well dekcor now"
