"""Customers' reports: support takes one in, backend and DevOps see and answer it."""

import re

import pytest
from sqlalchemy import select

from app.db.tables import CustomerReport
from tests.conftest import Web

PAY = {
    "text": "Payment fails with a card",
    "customers": "2",
    "link": "https://desk.example/4711",
    "severity": "critical",
}


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace("\u00a0", " "))


async def take_in(web: Web, **changed: str) -> int:
    client = await web.client_as("support")
    answer = await client.post(f"/d/{web.deployment.id}/incidents/reports", data={**PAY, "_key": "k1", **changed})
    return answer.status_code


async def reports(web: Web) -> list[CustomerReport]:
    async def query(session: object) -> list[CustomerReport]:
        return list(await session.scalars(select(CustomerReport).order_by(CustomerReport.id)))  # type: ignore[attr-defined]

    return await web.database.read(query)


async def test_support_takes_one_in_and_it_stands_on_the_homes_of_those_who_look(web: Web) -> None:
    assert await take_in(web) == 303
    assert await take_in(web) == 303
    assert len(await reports(web)) == 1, "the same press twice is one report"
    for login in ("backend_lead", "backend_1", "devops_lead", "devops_1", "support"):
        home = (await (await web.client_as(login)).get(f"/d/{web.deployment.id}")).text
        assert "2 customers : Payment fails with a card" in words(home), login
        assert 'href="https://desk.example/4711"' in home


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"link": "javascript:alert(1)"}, "This is not a link with https://."),
        ({"customers": "many"}, "Say how many, as a number from 1."),
        ({"customers": "0"}, "Say how many, as a number from 1."),
        ({"text": "x" * 501}, "This is longer than 500 characters."),
    ],
)
async def test_what_cannot_be_taken_in_is_said_at_its_field(web: Web, changed: dict[str, str], said: str) -> None:
    client = await web.client_as("support")
    url = f"/d/{web.deployment.id}/incidents/reports"
    for headers in ({}, {"hx-request": "true"}):
        answer = await client.post(url, data={**PAY, **changed}, headers=headers)
        assert answer.status_code == 422
        assert said in words(answer.text)
        assert "Payment fails" in answer.text or "text" in changed, "nothing has to be typed twice"
    assert await reports(web) == []


async def test_it_is_acknowledged_then_explained_once(web: Web) -> None:
    await take_in(web)
    (row,) = await reports(web)
    url = f"/d/{web.deployment.id}/incidents/reports/{row.id}/answer"
    backend, devops = await web.client_as("backend_1"), await web.client_as("devops_1")
    assert (await backend.post(url, data={"state": "acknowledged"})).status_code == 303
    assert (await devops.post(url, data={"state": "acknowledged"})).status_code == 409
    assert (await devops.post(url, data={"state": "explained"})).status_code == 422, "support needs something to say"
    said = {"state": "explained", "answer": "A bank's fault; their cards work again"}
    assert (await devops.post(url, data=said, headers={"hx-request": "true"})).status_code == 200
    late = await backend.post(url, data={"state": "fixed", "answer": "Rolled out"})
    assert late.status_code == 409
    assert "has answered it: explained" in words(late.text)
    (row,) = await reports(web)
    assert (row.state, row.answer) == ("explained", said["answer"])
