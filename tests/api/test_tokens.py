"""Who may ask the API: tokens only, each for what it was made for."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.api.routes import openapi_document
from app.db.tables import ApiToken, Event, Signoff

READS = ["", "/{id}", "/{id}/signoffs", "/{id}/traffic", "/{id}/timeline"]


def path(web: Any, suffix: str) -> str:
    return "/deployments" + suffix.replace("{id}", str(web.deployment.id))


def assert_problem(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"urn:gonogo:problem:{code}"
    assert problem["title"]
    assert problem["detail"]


async def test_without_a_token_nothing_is_read(web: Any, machine: Any) -> None:
    client = await machine()
    for suffix in READS:
        answer = await client.get(path(web, suffix))
        assert_problem(answer, 401, "token")
        assert answer.headers["www-authenticate"] == 'Bearer realm="gonogo"'


async def test_what_is_no_token_opens_nothing(web: Any, machine: Any) -> None:
    client = await machine()
    for header in ("Bearer ", "Bearer gng_unknown", "Basic Z25nOg==", "gng_x", "Bearer \u00e9"):
        answer = await client.get("/deployments", headers={"authorization": header.encode()})
        assert_problem(answer, 401, "token")


async def test_a_persons_session_is_no_token(web: Any) -> None:
    client = await web.client_as("admin")
    assert_problem(await client.get("/api/v1/deployments"), 401, "token")


async def test_a_token_is_no_session(web: Any, token: Any) -> None:
    client = await web.client_as(None)
    client.headers["authorization"] = f"Bearer {await token('read', 'readings')}"
    for url in (f"/d/{web.deployment.id}/timeline", "/tokens", "/people"):
        assert (await client.get(url)).status_code == 303


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"revoked_at": func.clock_timestamp()}, "revoked"),
        ({"expires_at": func.clock_timestamp() - timedelta(seconds=1)}, "expired"),
    ],
)
async def test_a_revoked_or_expired_token_is_refused_with_the_reason(
    web: Any, machine: Any, change: dict[str, Any], said: str
) -> None:
    client = await machine("read")
    assert (await client.get("/deployments")).status_code == 200
    await web.database.run(lambda s: s.execute(update(ApiToken).values(**change)))
    answer = await client.get("/deployments")
    assert_problem(answer, 401, "token")
    assert said in answer.json()["detail"]


async def test_a_token_without_the_scope_is_refused(web: Any, machine: Any) -> None:
    client = await machine("readings")
    for suffix in READS:
        assert_problem(await client.get(path(web, suffix)), 403, "forbidden")


async def test_a_token_of_one_deployment_knows_of_no_other(web: Any, machine: Any, seed: Any) -> None:
    other = await seed(web.database)
    client = await machine("read", deployment=other.id)
    assert [item["id"] for item in (await client.get("/deployments")).json()["items"]] == [other.id]
    assert (await client.get(f"/deployments/{other.id}")).status_code == 200
    for suffix in READS[1:]:
        assert_problem(await client.get(path(web, suffix)), 404, "not_found")


async def test_its_use_is_noted_every_half_minute_at_most(web: Any, machine: Any) -> None:
    async def used(session: Any) -> Any:
        return (await session.execute(select(ApiToken.used_at))).scalar_one()

    client = await machine("read")
    assert await web.database.read(used) is None
    await client.get("/deployments")
    first = await web.database.read(used)
    await client.get("/deployments")
    assert await web.database.read(used) == first
    await web.database.run(lambda s: s.execute(update(ApiToken).values(used_at=first - timedelta(seconds=31))))
    await client.get("/deployments")
    assert await web.database.read(used) >= first


async def test_no_address_of_the_api_signs_off_switches_or_arms(web: Any, machine: Any) -> None:
    writes = [url for url, methods in openapi_document()["paths"].items() if set(methods) != {"get"}]
    # Alerts carry a signature of their own, no token.
    of_tokens = [url for url in writes if "/alerts/" not in url]
    assert sorted(url.rsplit("/", 1)[1] for url in of_tokens) == ["readings", "rollback"]
    client = await machine("read", "readings", "rollback", deployment=web.deployment.id)
    for verb in ("vote", "signoffs", "switch", "arm", "proceed"):
        for base in (path(web, "/{id}"), f"http://gonogo.test/d/{web.deployment.id}"):
            answer = await client.post(f"{base}/{verb}", json={"vote": "go"})
            assert answer.status_code in (303, 404, 405), f"{base}/{verb}"

    async def written(session: Any) -> tuple[int, int]:
        votes = await session.execute(select(func.count()).select_from(Signoff))
        events = await session.execute(select(func.count()).where(Event.chain == web.deployment.id))
        return votes.scalar_one(), events.scalar_one()

    assert await web.database.read(written) == (0, 1)
