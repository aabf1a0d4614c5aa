"""Alerts as machines send them: Prometheus Alertmanager, Amazon SNS, and a format of our own."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.triggers.commands import IncomingAlert
from app.web.form import plain_text

MOST = 100
Label = Annotated[str, StringConstraints(max_length=2000)]
Labels = Annotated[dict[str, Label], Field(max_length=100)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
State = Literal["firing", "resolved"]
Severity = Literal["critical", "warning", "info"]


class Foreign(BaseModel):
    """What others define may have more fields than are read here."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class AlertmanagerAlert(Foreign):
    """`labels` carry `alertname`, `severity`, `category`, and `gonogo_deployment` or `gonogo_target`."""

    status: State
    labels: Labels
    annotations: Labels = {}
    starts_at: str = Field(default="", alias="startsAt", max_length=64)


class AlertmanagerIn(Foreign):
    """The webhook of Alertmanager, version 4."""

    version: Literal["4"]
    status: State
    alerts: Annotated[list[AlertmanagerAlert], Field(min_length=1, max_length=MOST)]


class AlertIn(Foreign):
    """One alert. `deployment` or `target` says for whom, unless the hook does."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name
    state: State
    severity: Severity
    category: Annotated[str, StringConstraints(max_length=48)] = ""
    text: Annotated[str, StringConstraints(max_length=2000)] = ""
    deployment: Annotated[int, Field(ge=1, le=2**62)] | None = None
    target: Annotated[str, StringConstraints(max_length=48)] | None = None


class SnsIn(Foreign):
    """A message of Amazon SNS. A notification's `Message` is a CloudWatch alarm as JSON, or any text."""

    kind: Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"] = Field(alias="Type")
    message_id: str = Field(alias="MessageId", max_length=100)
    topic_arn: str = Field(alias="TopicArn", max_length=300)
    subject: str | None = Field(default=None, alias="Subject", max_length=200)
    message: str = Field(alias="Message", max_length=256 * 1024)
    timestamp: str = Field(alias="Timestamp", max_length=64)
    signature_version: Literal["1", "2"] = Field(alias="SignatureVersion")
    signature: str = Field(alias="Signature", max_length=4000)
    signing_cert_url: str = Field(alias="SigningCertURL", max_length=500)


class Addressed(BaseModel):
    """An alert with whom it names: a deployment's id, a target, both or neither."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)
    alert: IncomingAlert
    deployment: int | None = None
    target: str | None = None


def of_alertmanager(sent: AlertmanagerIn) -> list[Addressed]:
    found = []
    for each in sent.alerts:
        labels, notes = each.labels, each.annotations
        named = labels.get("gonogo_deployment", "")
        said = notes.get("summary") or notes.get("description") or ""
        of = (labels.get("severity", ""), labels.get("category", ""))
        alert = _alert(labels.get("alertname", ""), each.status, *of, said)
        deployment = int(named) if named.isascii() and named.isdecimal() and len(named) < 19 else None
        found.append(Addressed(alert=alert, deployment=deployment, target=labels.get("gonogo_target")))
    return found


def _alert(name: str, state: str, severity: str, category: str, text: str) -> IncomingAlert:
    """As the log can keep it and pages may draw it. What an alert quotes may be written by whoever attacks: a control
    character in it must not keep the alert out, and a turned direction must not make it read as another."""
    name, severity, category, text = (plain_text(each).strip() for each in (name, severity, category, text))
    return IncomingAlert(name or "Alert without a name", state, severity, category, text)


def of_json(sent: AlertIn) -> list[Addressed]:
    alert = _alert(sent.name, sent.state, sent.severity, sent.category, sent.text)
    return [Addressed(alert=alert, deployment=sent.deployment, target=sent.target)]


_ALARM_STATES = {"ALARM": "firing", "OK": "resolved", "INSUFFICIENT_DATA": "unknown"}


def of_sns(sent: SnsIn, severity: str, category: str) -> list[Addressed]:
    """A CloudWatch alarm by its state; anything else is an alert that fires. Message attributes are not signed, so
    nothing is taken from them."""
    alarm = _alarm(sent.message)
    state = _ALARM_STATES.get(str(alarm.get("NewStateValue")), "unknown") if alarm else "firing"
    name = str(alarm.get("AlarmName") or sent.subject or "Notification") if alarm else sent.subject or "Notification"
    text = str(alarm.get("NewStateReason") or "") if alarm else sent.message
    return [Addressed(alert=_alert(name, state, severity, category, text[:2000]))]


def _alarm(message: str) -> dict[str, Any]:
    try:
        found = json.loads(message)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "AlarmName" in found and "NewStateValue" in found else {}
