"""What belongs to one deployment is not to be had under another one's address, whoever asks."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import CustomerReport, Deployment, EmergencyPatch, EvidenceFile, Incident, Person, RosterSeat
from app.deployments.commands import database_now
from tests.conftest import Web


@dataclass(frozen=True)
class Thing:
    """A row with an id that stands in addresses, and how it is asked for."""

    name: str
    login: str
    method: str
    path: str
    data: dict[str, str]


THINGS = (
    Thing("incident", "backend_lead", "POST", "incidents/{}/checks/0", {"finding": "nothing found"}),
    Thing("incident", "devops_lead", "POST", "incidents/{}/decide", {"outcome": "watch", "reason": "it is well"}),
    Thing("report", "backend_lead", "POST", "incidents/reports/{}/answer", {"state": "fixed", "answer": "it is fixed"}),
    Thing("file", "executive", "GET", "checklists/files/{}", {}),
    Thing("patch", "security_officer", "POST", "freeze/patches/{}/answer", {"verdict": "approved", "comment": "do it"}),
)


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.path)
async def test_a_row_of_another_deployment_is_not_found(web: Web, thing: Thing) -> None:
    other = await web.database.run(lambda session: copied(session, web.deployment.id))
    ids = await web.database.run(lambda session: rows(session, other))
    client = await web.client_as(thing.login)
    before = await web.database.read(state_of)
    ask: Callable[..., Any] = client.get if thing.method == "GET" else client.post
    more = {} if thing.method == "GET" else {"data": thing.data}
    answer = await ask(f"/d/{web.deployment.id}/{thing.path.format(ids[thing.name])}", **more)
    assert answer.status_code == 404, answer.text[:300]
    assert await web.database.read(state_of) == before
    # The same under its own address is found: the refusal above is not one of the right or of the form.
    answer = await ask(f"/d/{other}/{thing.path.format(ids[thing.name])}", **more)
    assert answer.status_code in (200, 303), answer.text[:300]


async def copied(session: AsyncSession, number: int) -> int:
    """Another deployment of the same plan, with the same people."""
    columns = [column.name for column in Deployment.__table__.columns if column.name != "id"]
    like = select(*(getattr(Deployment, name) for name in columns)).where(Deployment.id == number)
    made = await session.scalar(insert(Deployment).from_select(columns, like).returning(Deployment.id))
    assert made is not None
    for seat in (await session.scalars(select(RosterSeat).where(RosterSeat.deployment_id == number))).all():
        kept = {"position": seat.position, "seat": seat.seat, "person_id": seat.person_id}
        session.add(RosterSeat(deployment_id=made, is_deputy=seat.is_deputy, **kept))
    return int(made)


async def rows(session: AsyncSession, number: int) -> dict[str, int]:
    now = await database_now(session)
    admin = await session.scalar(select(Person.id).where(Person.login == "admin"))
    by = {"person_id": admin, "key": ""}
    made: dict[str, Any] = {
        "incident": Incident(deployment_id=number, attempt=1, title="Slow", severity="warning", raised_by="Somebody",
                             raised_at=now, rung=0, rung_since=now, **by),
        "report": CustomerReport(deployment_id=number, text="It is slow", customers=1, link="", severity="warning",
                                 taken_by="Somebody", taken_at=now, **by),
        "file": EvidenceFile(deployment_id=number, attempt=1, item="x", name="a.txt", kind="text/plain", size=1,
                             sha256=hashlib.sha256(b"x").hexdigest(), content=b"x", who="Somebody",
                             person_id=admin, at=now),
        "patch": EmergencyPatch(deployment_id=number, text="Mend it", asked_by="Somebody", asked_at=now, **by),
    }  # fmt: skip
    session.add_all(made.values())
    await session.flush()
    return {name: row.id for name, row in made.items()}


async def state_of(session: AsyncSession) -> list[Any]:
    found = [
        (await session.execute(select(Incident.id, Incident.outcome, Incident.rung))).all(),
        (await session.execute(select(CustomerReport.id, CustomerReport.state, CustomerReport.answer))).all(),
        (await session.execute(select(EmergencyPatch.id, EmergencyPatch.verdict))).all(),
    ]
    return [tuple(row) for rows in found for row in rows]
