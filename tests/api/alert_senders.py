"""Senders of alerts: who signs with a hook's secret, and a stand-in for Amazon SNS with a certificate of its own."""

import base64
import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from app.ports.traffic import ProviderError
from app.providers.alert_hooks import sign
from app.providers.sns import text_to_sign

SECRET = b"a secret of the pager, long enough"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
CERTIFICATE_URL = (
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
)
SUBSCRIBE_URL = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=abc"


def headers(body: bytes, *, at: float | None = None, delivery: str = "", secret: bytes = SECRET) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    delivery = delivery or secrets.token_hex(12)
    return {
        "x-gonogo-timestamp": timestamp,
        "x-gonogo-delivery": delivery,
        "x-gonogo-signature": sign(secret, timestamp, delivery, body),
        "content-type": "application/json",
    }


def alert(**changed: Any) -> bytes:
    return json.dumps(
        {"name": "Intrusion", "state": "firing", "severity": "critical", "category": "security", **changed}
    ).encode()


def alertmanager(**labels: str) -> bytes:
    labels = {"alertname": "Intrusion", "severity": "critical", "category": "security", **labels}
    one = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": "Somebody is in"},
        "startsAt": "2026-03-06T19:10:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "f1",
    }
    whole = {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "gonogo", "alerts": [one]}
    return json.dumps(whole).encode()


class Amazon:
    """Signs as SNS does; is also the fetcher, because the certificate and the confirmation are Amazon's to give."""

    def __init__(self, *, common_name: str = "sns.amazonaws.com", days: int = 30) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._pem = _certificate(self._key, common_name, days)
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if url == CERTIFICATE_URL:
            return self._pem
        if url == SUBSCRIBE_URL:
            return b"<ConfirmSubscriptionResponse/>"
        raise ProviderError(f"{url} answered 404")

    def message(self, kind: str = "Notification", *, version: str = "2", **changed: Any) -> dict[str, Any]:
        """A signed message; what is in `changed` is signed too."""
        found: dict[str, Any] = {
            "Type": kind,
            "MessageId": secrets.token_hex(16),
            "TopicArn": TOPIC,
            "Message": alarm(),
            "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "SignatureVersion": version,
            "SigningCertURL": CERTIFICATE_URL,
        }
        fields = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
        if kind == "Notification":
            found["Subject"] = "ALARM: Intrusion"
            fields.append("Subject")
        else:
            found |= {"Token": "abc", "SubscribeURL": SUBSCRIBE_URL}
            fields += ["Token", "SubscribeURL"]
        found |= changed
        method = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = self._key.sign(text_to_sign(found, tuple(sorted(fields))), padding.PKCS1v15(), method)
        return {**found, "Signature": base64.b64encode(signature).decode()}


def alarm(state: str = "ALARM") -> str:
    return json.dumps({"AlarmName": "Intrusion", "NewStateValue": state, "NewStateReason": "Threshold crossed"})


def _certificate(key: rsa.RSAPrivateKey, common_name: str, days: int) -> bytes:
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)
