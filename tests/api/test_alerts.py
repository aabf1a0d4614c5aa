"""Alerts from outside: only genuine, new and recent deliveries are taken in; everything else leaves one line and a
counter."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.api.commands_alerts import AlertDoor
from app.db.tables import Base, Deployment, Event, EventChain
from app.eventlog.log import verify_chain
from app.providers.alert_forwarder import forwarder, signed_headers
from app.providers.alert_hooks import HmacHook, SnsHook
from app.providers.sns import SnsVerifier
from app.web.security import BODY_LIMIT
from tests.api.alert_senders import SECRET, SUBSCRIBE_URL, TOPIC, Amazon, alarm, alert, alertmanager, headers
from tests.conftest import Web
from tests.triggers.breached import alerts

PAGER = "/api/v1/alerts/json/pager"
MANAGER = "/api/v1/alerts/alertmanager/prometheus"
SNS = "/api/v1/alerts/sns/aws"


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
async def client(web: Web, amazon: Amazon, tmp_path: Path) -> httpx.AsyncClient:
    secret = tmp_path / "pager.secret"
    secret.write_bytes(SECRET + b"\n")
    hooks = {
        "pager": HmacHook(kind="json", secret_file=secret, target="production"),
        "open": HmacHook(kind="json", secret_file=secret),
        "staging": HmacHook(kind="json", secret_file=secret, target="staging"),
        "prometheus": HmacHook(kind="alertmanager", secret_file=secret),
        "aws": SnsHook(kind="sns", topics=(TOPIC,), category="security", target="production"),
        "lost": HmacHook(kind="json", secret_file=tmp_path / "nothing", target="production"),
    }
    web.app.state.alerts = AlertDoor(hooks, SnsVerifier(amazon))
    return await web.client_as(None)


async def refused(web: Web) -> list[str]:
    async def query(session: AsyncSession) -> list[str]:
        return list(await session.scalars(select(Event.text).where(Event.kind == "alerts.delivery.refused")))

    return await web.database.read(query)


async def rows(web: Web) -> dict[str, int]:
    async def query(session: AsyncSession) -> dict[str, int]:
        names = [table.name for table in Base.metadata.sorted_tables if table.name not in ("event", "event_chain")]
        return {name: (await session.execute(text(f"select count(*) from {name}"))).scalar_one() for name in names}

    return await web.database.read(query)


async def test_a_signed_alert_is_recorded_for_the_targets_deployment(web: Web, client: httpx.AsyncClient) -> None:
    body = alert(text="Somebody is in")
    answer = await client.post(PAGER, content=body, headers=headers(body))
    assert (answer.status_code, answer.json()) == (202, {"recorded": 1})
    (found,) = await alerts(web.database)
    assert (found.deployment_id, found.name, found.state) == (web.deployment.id, "Intrusion", "firing")
    assert (found.severity, found.category, found.source) == ("critical", "security", "pager")
    assert found.target == "production"


async def test_what_an_alert_quotes_keeps_it_not_out_and_turns_no_text(
    web: Web, client: httpx.AsyncClient, amazon: Amazon
) -> None:
    """Whoever attacks may write what the alert about it quotes."""
    evil = "in\x00tru\u202esion\x1b[31m"
    sent: list[tuple[str, bytes]] = [(PAGER, alert(name=evil, text=evil, category="security\x00"))]
    sent.append((MANAGER, alertmanager(alertname=evil, gonogo_target="production")))
    for url, body in sent:
        answer = await client.post(url, content=body, headers=headers(body))
        assert (answer.status_code, answer.json()) == (202, {"recorded": 1}), url
    half = json.dumps({"AlarmName": "in\ud800trusion", "NewStateValue": "ALARM", "NewStateReason": "\ud800"})
    answer = await client.post(SNS, content=json.dumps(amazon.message(Message=half)))
    assert answer.status_code == 202
    found = await alerts(web.database)
    assert [row.name for row in found] == ["intrusion[31m", "intrusion[31m", "intrusion"]
    assert found[0].text == "intrusion[31m"
    assert found[0].category == "security"


async def test_a_delivery_of_many_alerts_is_one_and_counts_all(web: Web, client: httpx.AsyncClient) -> None:
    """All of it or nothing, in the order it came, in a few statements: presses on the deployment wait for its log."""
    body = many(100)
    statements: list[str] = []
    engine = cast(AsyncEngine, web.database.engine).sync_engine

    def note(*arguments: Any) -> None:
        statements.append(str(arguments[2]))

    event.listen(engine, "before_cursor_execute", note)
    try:
        answer = await client.post(MANAGER, content=body, headers=headers(body))
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert (answer.status_code, answer.json()) == (202, {"recorded": 100})
    assert len(statements) < 25
    assert [found.name for found in await alerts(web.database)] == [f"Intrusion {number}" for number in range(100)]
    assert await web.database.read(lambda s: verify_chain(s, web.deployment.id)) is None
    lost = many(100, {99: "nowhere"})
    answer = await client.post(MANAGER, content=lost, headers=headers(lost))
    assert (answer.status_code, answer.json()["code"]) == (404, "addressee")
    assert len(await alerts(web.database)) == 100, "one without an addressee, and none is taken in"


async def test_two_deliveries_for_the_same_deployments_never_wait_crosswise(
    web: Web, client: httpx.AsyncClient
) -> None:
    """Whatever the order in which a sender names them, the log of the lower number is taken first: while that one is
    waited for, none is held that somebody else could wait for."""
    first, other = web.deployment.id, await another(web)
    earlier = for_each([other, first])
    assert (await client.post(MANAGER, content=earlier, headers=headers(earlier))).status_code == 202
    body = for_each([other, first, other, first])
    async with web.database.session() as holding:
        chain = select(EventChain).with_for_update()
        await holding.execute(chain.where(EventChain.chain == first))
        delivery = asyncio.create_task(client.post(MANAGER, content=body, headers=headers(body)))
        async with asyncio.timeout(30):
            while not await web.database.read(lambda s: s.scalar(text(WAITING))):
                await asyncio.sleep(0.02)
        free = chain.where(EventChain.chain == other).with_for_update(skip_locked=True)
        assert (await holding.execute(free)).one_or_none() is not None
        await holding.rollback()
    assert (await delivery).json() == {"recorded": 4}


WAITING = """
    select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '%event_chain%'
"""


def many(count: int, targets: Mapping[int, str] | None = None) -> bytes:
    one = json.loads(alertmanager(gonogo_target="production"))
    (each,) = one["alerts"]
    labels = [
        {"alertname": f"Intrusion {number}", "gonogo_target": (targets or {}).get(number, "production")}
        for number in range(count)
    ]
    one["alerts"] = [{**each, "labels": {**each["labels"], **changed}} for changed in labels]
    return json.dumps(one).encode()


def for_each(deployments: Sequence[int]) -> bytes:
    one = json.loads(many(len(deployments)))
    for each, deployment in zip(one["alerts"], deployments, strict=True):
        each["labels"] = {"alertname": "Intrusion", "gonogo_deployment": str(deployment)}
    return json.dumps(one).encode()


async def another(web: Web) -> int:
    columns = [column.name for column in Deployment.__table__.columns if column.name != "id"]
    copied = select(*(getattr(Deployment, name) for name in columns)).where(Deployment.id == web.deployment.id)
    made = insert(Deployment).from_select(columns, copied).returning(Deployment.id)
    return await web.database.run(lambda s: s.scalar(made)) or 0


async def test_alertmanagers_own_format(web: Web, client: httpx.AsyncClient) -> None:
    body = alertmanager(gonogo_deployment=str(web.deployment.id))
    assert (await client.post(MANAGER, content=body, headers=headers(body))).status_code == 202
    (found,) = await alerts(web.database)
    assert (found.name, found.text, found.category) == ("Intrusion", "Somebody is in", "security")


async def test_a_canarys_target_is_a_target_too(web: Web, client: httpx.AsyncClient) -> None:
    """By the hook, by the alert, and by both of them; the deployment is the one whose plan has a canary there."""
    sent = (
        ("/api/v1/alerts/json/staging", alert()),
        ("/api/v1/alerts/json/open", alert(target="staging")),
        ("/api/v1/alerts/json/open", alert(target="staging", deployment=web.deployment.id)),
    )
    for url, body in sent:
        answer = await client.post(url, content=body, headers=headers(body))
        assert (answer.status_code, answer.json()) == (202, {"recorded": 1}), answer.text
    found = await alerts(web.database)
    assert [(one.deployment_id, one.target) for one in found] == [(web.deployment.id, "staging")] * 3
    for body in (alert(target="nowhere"), alert(target="nowhere", deployment=web.deployment.id)):
        answer = await client.post("/api/v1/alerts/json/open", content=body, headers=headers(body))
        assert (answer.status_code, answer.json()["code"]) == (404, "addressee")


@pytest.mark.parametrize("version", ["1", "2"])
async def test_an_alarm_of_cloudwatch(web: Web, client: httpx.AsyncClient, amazon: Amazon, version: str) -> None:
    for state in ("ALARM", "OK", "INSUFFICIENT_DATA"):
        sent = json.dumps(amazon.message(version=version, Message=alarm(state)))
        answer = await client.post(SNS, content=sent, headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.json()) == (202, {"recorded": 1}), answer.text
    assert [found.state for found in await alerts(web.database)] == ["firing", "resolved", "unknown"]
    assert len(amazon.fetched) == 1, "the certificate is kept"


async def test_a_subscription_is_confirmed_once(web: Web, client: httpx.AsyncClient, amazon: Amazon) -> None:
    sent = json.dumps(amazon.message("SubscriptionConfirmation", Message="You have chosen to subscribe"))
    assert (await client.post(SNS, content=sent)).json() == {"recorded": 0}
    assert SUBSCRIBE_URL in amazon.fetched
    assert await alerts(web.database) == []


async def test_a_delivery_is_accepted_once(web: Web, client: httpx.AsyncClient, amazon: Amazon) -> None:
    body = alert()
    signed = headers(body)
    assert (await client.post(PAGER, content=body, headers=signed)).status_code == 202
    again = await client.post(PAGER, content=body, headers=signed)
    assert (again.status_code, again.json()["code"]) == (409, "replayed")
    sent = json.dumps(amazon.message())
    assert (await client.post(SNS, content=sent)).status_code == 202
    assert (await client.post(SNS, content=sent)).json()["code"] == "replayed"
    assert len(await alerts(web.database)) == 2


BODY = alert()


def forged() -> dict[str, tuple[str, bytes, dict[str, str], int, str]]:
    """Signed when it is asked for: a signature is good for five minutes."""
    return {
        "no signature": (PAGER, BODY, {}, 401, "signature"),
        "another secret": (PAGER, BODY, headers(BODY, secret=b"another secret, as long"), 401, "signature"),
        "another body": (PAGER, alert(severity="info"), headers(BODY, delivery="delivery-1"), 401, "signature"),
        "another delivery id": (PAGER, BODY, {**headers(BODY), "x-gonogo-delivery": "delivery-2"}, 401, "signature"),
        "signed long ago": (PAGER, BODY, headers(BODY, at=time.time() - 301), 401, "old"),
        "signed in the future": (PAGER, BODY, headers(BODY, at=time.time() + 900), 401, "old"),
        "no such hook": ("/api/v1/alerts/json/nobody", BODY, headers(BODY), 404, "hook"),
        "hook of another kind": ("/api/v1/alerts/json/aws", BODY, headers(BODY), 404, "hook"),
        "another target": (PAGER, alert(target="staging"), headers(alert(target="staging")), 404, "addressee"),
        "nobody named": ("/api/v1/alerts/json/open", BODY, headers(BODY), 404, "addressee"),
        "no such deployment": (PAGER, alert(deployment=99), headers(alert(deployment=99)), 404, "addressee"),
        "not readable": (PAGER, b"{", headers(b"{"), 422, "unreadable"),
        "a field of the wrong kind": (PAGER, alert(state="on"), headers(alert(state="on")), 422, "unreadable"),
        "secret cannot be read": ("/api/v1/alerts/json/lost", BODY, headers(BODY), 503, "secret"),
    }


async def test_what_is_not_genuine_changes_nothing_but_one_line(web: Web, client: httpx.AsyncClient) -> None:
    before = await rows(web)
    for name, (url, body, signed, status, code) in forged().items():
        web.app.state.alerts.told.clear()
        told = len(await refused(web))
        for _ in range(3):
            answer = await client.post(url, content=body, headers=signed)
            assert (answer.status_code, answer.json()["code"]) == (status, code), name
            assert answer.headers["content-type"] == "application/problem+json"
            assert SECRET.decode() not in answer.text
        assert await rows(web) == before, name
        assert len(await refused(web)) == told + 1, f"{name}: a flood of forgeries writes no flood of lines"


async def test_too_large_is_refused(web: Web, client: httpx.AsyncClient) -> None:
    body = alert(text="x" * BODY_LIMIT)
    answer = await client.post(PAGER, content=body, headers=headers(body))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert await alerts(web.database) == []


def elsewhere(field: str, value: str) -> Any:
    return lambda amazon: {**amazon.message(), field: value}


SNS_FORGED: dict[str, tuple[Any, str]] = {
    "changed message": (elsewhere("Message", alarm("OK")), "signature"),
    "no signature": (elsewhere("Signature", "bm90aGluZw=="), "signature"),
    "signature of nonsense": (elsewhere("Signature", "?"), "signature"),
    "another topic": (lambda amazon: amazon.message(TopicArn=TOPIC + "-other"), "topic"),
    "old": (lambda amazon: amazon.message(Timestamp="2020-01-01T00:00:00.000Z"), "old"),
    "certificate from elsewhere": (elsewhere("SigningCertURL", "https://sns.evil.example/x.pem"), "address"),
    "certificate without TLS": (
        elsewhere(
            "SigningCertURL", "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
        ),
        "address",
    ),
    "certificate of a look-alike": (
        elsewhere(
            "SigningCertURL",
            "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789abcdef.pem",
        ),
        "address",
    ),
    "certificate with credentials": (
        elsewhere(
            "SigningCertURL",
            "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-0123456789abcdef.pem",
        ),
        "address",
    ),
    "confirmation to elsewhere": (
        lambda amazon: amazon.message("SubscriptionConfirmation", SubscribeURL="https://169.254.169.254/latest"),
        "address",
    ),
    "another key": (lambda _: Amazon().message(), "signature"),
}


async def test_only_amazons_signature_opens_the_topics_hook(
    web: Web, client: httpx.AsyncClient, amazon: Amazon
) -> None:
    before = await rows(web)
    for name, (make, code) in SNS_FORGED.items():
        answer = await client.post(SNS, content=json.dumps(make(amazon)))
        assert (answer.status_code >= 400, answer.json()["code"]) == (True, code), name
        assert await rows(web) == before, name
    assert not [url for url in amazon.fetched if "evil" in url or "169.254" in url]


async def test_the_certificate_itself_is_looked_at(web: Web, client: httpx.AsyncClient) -> None:
    door: AlertDoor = web.app.state.alerts
    for impostor in (Amazon(common_name="sns.evil.example"), Amazon(days=-1)):
        web.app.state.alerts = AlertDoor(door.hooks, SnsVerifier(impostor))
        answer = await client.post(SNS, content=json.dumps(impostor.message()))
        assert answer.json()["code"] == "certificate"
    assert await alerts(web.database) == []


async def test_a_forwarder_signs_for_who_cannot(web: Web, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """What it sends is what the hook takes; here its headers go the last step by hand."""
    body = alertmanager(gonogo_target="production")
    signed = signed_headers((tmp_path / "pager.secret").read_bytes(), body)
    assert (await client.post(MANAGER, content=body, headers=signed)).json() == {"recorded": 1}
    nowhere = forwarder("http://127.0.0.1:9/", tmp_path / "pager.secret")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=nowhere), base_url="http://here") as sender:
        assert (await sender.post("/", content=body)).status_code == 502, "it never says that all is well"
