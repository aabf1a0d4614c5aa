"""The hand on the rollback: exactly one person has it, and hands it over; and "I am here"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Custody, Deployment, Person, RosterSeat
from app.deployments.commands import lock
from app.domain.custody import Held, able, hand_of
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.domain.roster import Sitter
from app.roster.commands_hand import accept, arrive, decline, offer, withdraw
from app.roster.forms import OfferForm
from app.roster.queries import seat_rows
from app.roster.queries_hand import hand_now, hand_view
from app.web.access import Scope
from tests.conftest import Web
from tests.signoffs.cast import ScopeOf, events

HTMX = {"hx-request": "true"}


async def who(database: Database, deployment: Deployment, scope: Scope) -> tuple[str, str, bool]:
    """(has it, offered to, by a handover)."""
    hand = await database.read(lambda s: hand_now(s, deployment.id, scope.plan))
    return hand.name, hand.offered_name, hand.since is not None


async def offer_to(database: Database, scope: Scope, to: Scope) -> None:
    await database.run(lambda s: offer(s, scope, OfferForm(person=to.viewer.person_id)))


async def test_it_is_the_devops_leads_until_handed_over(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    lead, second = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "devops_2")
    assert await who(database, deployment, lead) == ("DevOps lead", "", False)
    for _ in range(2):
        await offer_to(database, lead, second)
    assert await who(database, deployment, lead) == ("DevOps lead", "DevOps 2", True)
    for _ in range(2):
        await database.run(lambda s: accept(s, second))
    assert await who(database, deployment, lead) == ("DevOps 2", "", True)
    said = await events(database, deployment, "roster.hand")
    assert [event.kind for event in said] == ["roster.hand.offered", "roster.hand.taken"]
    assert said[1].text == "DevOps 2 has the hand on the rollback, from DevOps lead"


async def test_declined_or_taken_back_it_stays(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    lead, second = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "devops_2")
    await offer_to(database, lead, second)
    await database.run(lambda s: decline(s, second))
    assert await who(database, deployment, lead) == ("DevOps lead", "", True)
    with pytest.raises(Rejected, match="Nothing is offered to you"):
        await database.run(lambda s: accept(s, second))
    await offer_to(database, lead, second)
    await database.run(lambda s: withdraw(s, lead))
    with pytest.raises(Rejected):
        await database.run(lambda s: withdraw(s, lead))
    with pytest.raises(Rejected):
        await database.run(lambda s: accept(s, second))
    assert await who(database, deployment, lead) == ("DevOps lead", "", True)


async def test_only_who_has_it_offers_it_and_only_to_who_may_roll_back(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    lead, second = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "devops_2")
    support = await scope_of(deployment, "support")
    with pytest.raises(Rejected, match="DevOps lead has the hand"):
        await offer_to(database, second, lead)
    with pytest.raises(Rejected, match="can't roll back"):
        await offer_to(database, lead, support)
    with pytest.raises(Rejected, match="You have it already"):
        await offer_to(database, lead, lead)
    third = await scope_of(deployment, "devops_1")
    await offer_to(database, lead, second)
    with pytest.raises(Rejected):
        await database.run(lambda s: accept(s, third))
    assert await who(database, deployment, lead) == ("DevOps lead", "DevOps 2", True)


async def test_who_leaves_the_seat_loses_it_and_an_open_offer_is_void(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    lead, second = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "devops_2")
    third = await scope_of(deployment, "devops_1")
    await offer_to(database, lead, second)
    await database.run(lambda s: accept(s, second))
    await offer_to(database, second, third)
    await database.run(lambda s: s.execute(delete(RosterSeat).where(RosterSeat.person_id == second.viewer.person_id)))
    assert await who(database, deployment, lead) == ("DevOps lead", "", False)
    with pytest.raises(Rejected):
        await database.run(lambda s: accept(s, third))


@given(
    held=st.builds(Held, person_id=st.none() | st.integers(1, 6), offered_to=st.none() | st.integers(1, 6),
                   offered_by=st.none() | st.integers(1, 6)),
    seats=st.lists(st.tuples(st.sampled_from(["devops_lead", "devops", "support", "project_manager"]),
                             st.integers(1, 6), st.booleans()), max_size=6),
)  # fmt: skip
def test_at_any_time_exactly_one_of_those_who_may(plan: Plan, held: Held, seats: list[tuple[str, int, bool]]) -> None:
    roster = tuple(Sitter(p, n, who, f"person {who}", False, off) for n, (p, who, off) in enumerate(seats, 1))
    people = able(plan, roster)
    hand = hand_of(plan, roster, held)
    assert (hand.person_id in people) if people else (hand.person_id is None)
    assert hand.offered_to is None or hand.offered_to in set(people) - {hand.person_id}


async def test_no_right_comes_or_goes_with_it(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    lead, second = await scope_of(deployment, "devops_lead"), await scope_of(deployment, "devops_2")
    await offer_to(database, lead, second)
    await database.run(lambda s: accept(s, second))
    for login in ("devops_lead", "devops_1", "project_manager"):
        assert (await scope_of(deployment, login)).may("rollback")
    assert not (await scope_of(deployment, "support")).may("rollback")


# ── arrivals ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_i_am_here_is_said_once_an_attempt(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "support")
    for _ in range(2):
        await database.run(lambda s: arrive(s, scope))
    assert [event.text for event in await events(database, deployment, "roster.arrived")] == [
        "Support and communications is here"
    ]
    rows = await database.read(lambda s: seat_rows(s, scope, scope.now))
    assert [row.name for row in rows if row.arrived_at] == ["Support and communications"]

    async def next_attempt(session: AsyncSession) -> None:
        (await lock(session, deployment.id)).attempt += 1

    await database.run(next_attempt)
    again = await scope_of(deployment, "support")
    rows = await database.read(lambda s: seat_rows(s, again, again.now))
    assert not [row for row in rows if row.arrived_at]
    await database.run(lambda s: arrive(s, again))
    assert len(await events(database, deployment, "roster.arrived")) == 2


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_handover_over_http_and_on_every_page(web: Web) -> None:
    base = f"/d/{web.deployment.id}"
    lead, second = await web.client_as("devops_lead"), await web.client_as("devops_2")
    person = await web.database.read(lambda s: s.scalar(select(Person.id).where(Person.login == "devops_2")))
    home = (await lead.get(base)).text
    assert 'title="Hand on the rollback: DevOps lead"' in home
    assert 'id="hand-offer-button"' in home
    assert (await lead.post(f"{base}/roster/hand/offer", data={"person": str(person)}, headers=HTMX)).status_code == 200
    assert 'id="hand-accept-button"' in (await second.get(f"{base}/roster")).text
    taken = await second.post(f"{base}/roster/hand/accept", headers=HTMX)
    assert "<b>DevOps 2</b> (you)" in taken.text
    assert 'title="Hand on the rollback: DevOps 2"' in (await lead.get(f"{base}/board")).text
    stale = await lead.post(f"{base}/roster/hand/withdraw", headers=HTMX)
    assert stale.status_code == 409
    assert (await (await web.client_as("support")).post(f"{base}/roster/hand/accept", headers=HTMX)).status_code == 403
    hostile = await second.post(f"{base}/roster/hand/offer", data={"person": "1 or 1=1"}, headers=HTMX)
    assert hostile.status_code == 422
    assert await web.database.read(lambda s: s.scalar(select(Custody.offered_to))) is None
    view = await web.database.read(lambda s: s.scalar(select(Custody.person_id)))
    assert view == person


async def test_arriving_on_the_home_page(web: Web) -> None:
    base = f"/d/{web.deployment.id}"
    client = await web.client_as("project_manager")
    assert 'id="arrive-button"' in (await client.get(base)).text
    assert (await client.post(f"{base}/roster/arrive", headers=HTMX)).status_code == 204
    home = (await client.get(base)).text
    assert 'id="arrive-button"' not in home
    assert "arrived " in home


async def test_everybody_reads_who_has_it(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    for login in ("executive", "devops_lead"):
        scope = await scope_of(deployment, login)
        view = await database.read(lambda s, scope=scope: hand_view(s, scope))
        assert view.name == "DevOps lead"
        assert bool(view.others) == (login == "devops_lead")
