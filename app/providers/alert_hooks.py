"""Alert hooks of site.yaml, and the proof that a delivery is genuine: HMAC for what a team signs itself, Amazon's
certificate for SNS. docs/api.md, "Alerts", is the contract."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

WINDOW = timedelta(minutes=5)
"""How far a signed delivery's time may lie from the server's."""
DELIVERY = re.compile(r"[A-Za-z0-9._:-]{8,80}")
SHORTEST_SECRET = 16

HookName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Topic = Annotated[str, StringConstraints(pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+$")]


class _Hook(BaseModel):
    """`target` is the plan's name of the target whose deployment the alerts are for; without it an alert says so
    itself. With it, alerts for others are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    target: str | None = None


class HmacHook(_Hook):
    """A hook whose deliveries are signed with a secret of its own, read from `secret_file`."""

    kind: Literal["alertmanager", "json"]
    secret_file: Path


class SnsHook(_Hook):
    """Topics of Amazon SNS. What a notification does not say itself, `severity` and `category` say of all."""

    kind: Literal["sns"]
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]
    severity: Literal["critical", "warning", "info"] = "critical"
    category: str = ""


AlertHook = Annotated[HmacHook | SnsHook, Field(discriminator="kind")]


class NotGenuine(Exception):
    """A delivery that is not taken in. `code` is stable, the message says what was wrong and never what was right."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def sign(secret: bytes, timestamp: str, delivery: str, body: bytes) -> str:
    """The signature header's value: HMAC-SHA256 over time, delivery id and the raw body."""
    signed = timestamp.encode() + b"." + delivery.encode() + b"." + body
    return "v1=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()


def verify_hmac(hook: HmacHook, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The delivery's id, if the signature is right and its time within the window. Raises NotGenuine."""
    timestamp = headers.get("x-gonogo-timestamp", "")
    delivery = headers.get("x-gonogo-delivery", "")
    given = headers.get("x-gonogo-signature", "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise NotGenuine("signature", "X-Gonogo-Timestamp is missing or not in seconds since 1970.")
    if not DELIVERY.fullmatch(delivery):
        raise NotGenuine("signature", "X-Gonogo-Delivery is missing or not 8 to 80 letters, digits and . _ : -")
    expected = sign(_secret(hook), timestamp, delivery, body)
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        raise NotGenuine("signature", "The signature does not fit the body, the time and the delivery's id.")
    if abs(now.timestamp() - int(timestamp)) > WINDOW.total_seconds():
        raise NotGenuine("old", "The delivery was signed more than 5 min from the server's time.")
    return delivery


def _secret(hook: HmacHook) -> bytes:
    try:
        secret = hook.secret_file.read_bytes().strip()
    except OSError as problem:
        raise NotGenuine("secret", "This hook's secret cannot be read; the administrator must look.") from problem
    if len(secret) < SHORTEST_SECRET:
        raise NotGenuine("secret", f"This hook's secret is shorter than {SHORTEST_SECRET} bytes.")
    return secret
