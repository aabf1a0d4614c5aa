"""Alerts from outside: only genuine, new and recent deliveries are taken in; everything else leaves one line and a
counter."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.commands_alerts import AlertDoor
from app.db.tables import Base, Event
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
