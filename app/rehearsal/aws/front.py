"""The WSGI front of the simulated AWS: keys, faults, strictness, and what follows from an applied call; then moto."""

import hmac
import json
import os
import secrets
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.rehearsal.aws import answers, clouds, strict
from app.rehearsal.aws.answers import Answer, Refusal
from app.rehearsal.aws.call import Call, Environ, call_of, members
from app.rehearsal.aws.faults import Fault, Faults
from app.rehearsal.aws.health import health_of
from app.rehearsal.aws.records import Changes

Start = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[Environ, Start], Iterable[bytes]]
Applied = Callable[[Call], None]

CONTROL = "/_range/"
FAULTS = TypeAdapter(tuple[Fault, ...])
EFFECTS = frozenset({"ModifyListener", "ModifyRule", "AddTags", "ChangeResourceRecordSets"})
RESET = struct.pack("ii", 1, 0)


class Front:
    """`keys` are the access keys it knows; those of assumed roles are added. `after` is told of each applied effect, in
    their order. `token` opens the control paths. `dns_ms` is how long a change of records is PENDING."""

    def __init__(self, app: Application, keys: Iterable[str], token: str, *, after: Applied, dns_ms: int) -> None:
        self.faults = Faults()
        self.applied: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self._app = app
        self._keys = set(keys)
        self._token = token
        self._after = after
        self._changes = Changes(dns_ms / 1000)
        self._lock = threading.RLock()

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        if str(environ.get("PATH_INFO", "")).startswith(CONTROL):
            return _sent(self._control(environ), start)
        call = call_of(environ)
        self.received[call.operation] += 1
        fault = self.faults.strike(call.service, call.operation)
        if fault is None:
            return _sent(self._answer(call, environ), start)
        return self._with(fault, call, environ, start)

    # ── faults ──────────────────────────────────────────────────────────────

    def _with(self, fault: Fault, call: Call, environ: Environ, start: Start) -> Iterable[bytes]:
        match fault.kind:
            case "error":
                time.sleep(fault.ms / 1000)
                return _sent(answers.error(fault.code, "On purpose: a fault of the range", fault.status), start)
            case "slow":
                time.sleep(fault.ms / 1000)
                return _sent(self._answer(call, environ), start)
            case "drip":
                answer = self._answer(call, environ)
                start(answer.status, answer.headers)
                return answers.dripping(answer.body, (fault.ms or 250) / 1000)
            case "late":
                timer = threading.Timer(fault.ms / 1000, self._answer, (call, dict(environ)))
                timer.daemon = True
                timer.start()
            case "dropped":
                self._answer(call, environ)
            case "reset":
                pass
        _reset(environ)
        raise ConnectionAbortedError("a fault of the range")

    # ── answers ─────────────────────────────────────────────────────────────

    def _answer(self, call: Call, environ: Environ) -> Answer:
        """Effects one at a time: what follows them sees them in the order in which they were applied."""
        if call.key not in self._keys:
            return answers.error("InvalidClientTokenId", "The security token is not valid", 403)
        try:
            if call.operation not in EFFECTS:
                return self._by_itself(call) or self._passed_on(call, environ)
            with self._lock:
                strict.check_actions(call, clouds.target_groups)
                if call.operation == "ChangeResourceRecordSets":
                    zone = call.path.split("/hostedzone/")[1].split("/")[0]
                    strict.check_change_batch(call.body, lambda: clouds.records_of(zone))
                answer = self._passed_on(call, environ)
                if answer.is_success:
                    self.applied[call.operation] += 1
                    self._after(call)
                return answer
        except Refusal as refusal:
            return answers.error(refusal.code, refusal.message, refusal.status)

    def _by_itself(self, call: Call) -> Answer | None:
        """What moto does not have, or tells too kindly."""
        match call.operation:
            case "DescribeTargetHealth":
                return health_of(call.fields.get("TargetGroupArn", ""))
            case "SimulatePrincipalPolicy":
                return self._simulated(call)
            case "GetChange":
                return self._changes.told(call.path.rpartition("/")[2])
        strict.check_actions(call, clouds.target_groups)
        return None

    def _simulated(self, call: Call) -> Answer:
        """IAM's simulator: everything is allowed but what a standing fault denies."""
        lines = [
            f"<EvalActionName>{action['']}</EvalActionName><EvalResourceName>{arn['']}</EvalResourceName>"
            f"<EvalDecision>{'implicitDeny' if self.faults.denies(action[''].partition(':')[2]) else 'allowed'}"
            "</EvalDecision>"
            for action in members(call.fields, "ActionNames")
            for arn in members(call.fields, "ResourceArns")
        ]
        inner = "<IsTruncated>false</IsTruncated>" + answers.listed("EvaluationResults", lines)
        return answers.result("SimulatePrincipalPolicy", inner)

    def _passed_on(self, call: Call, environ: Environ) -> Answer:
        answer = _asked(self._app, environ)
        if call.operation == "ChangeResourceRecordSets" and answer.is_success:
            return self._changes.begun()
        if call.operation == "AssumeRole" and answer.is_success:
            self._keys.add(answer.body.decode().split("<AccessKeyId>")[1].split("</AccessKeyId>")[0])
        return answer

    # ── control ─────────────────────────────────────────────────────────────

    def _control(self, environ: Environ) -> Answer:
        """`GET healthz`; with the token `GET/PUT faults` and `GET counts`."""
        what = str(environ["PATH_INFO"]).removeprefix(CONTROL)
        if what == "healthz":
            return _json(200, {"status": "ok"})
        given = str(environ.get("HTTP_AUTHORIZATION", ""))
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return _json(401, {"title": "No token"})
        if what == "counts":
            return _json(200, {"applied": dict(self.applied), "received": dict(self.received)})
        if what != "faults":
            return _json(404, {"title": "No such path"})
        if environ["REQUEST_METHOD"] == "PUT":
            try:
                body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                self.faults.set(FAULTS.validate_json(body))
            except ValidationError as wrong:
                return _json(422, {"title": "Not possible", "detail": str(wrong)})
        return _json(200, [fault.model_dump() for fault in self.faults.standing])


def _asked(app: Application, environ: Environ) -> Answer:
    """The whole answer of a WSGI application."""
    told: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        told[:] = [status, headers]

    pieces = app(environ, start)
    try:
        body = b"".join(pieces)
    finally:
        if close := getattr(pieces, "close", None):
            close()
    return Answer(told[0], told[1], body)


def _sent(answer: Answer, start: Start) -> Iterator[bytes]:
    start(answer.status, answer.headers)
    return iter((answer.body,))


def _json(status: int, content: object) -> Answer:
    body = json.dumps(content).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return Answer(f"{status} {'OK' if status == 200 else 'Refused'}", headers, body)


def _reset(environ: Environ) -> None:
    """End the connection with a reset: closing alone would end it in good order, once werkzeug lets go of it."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    os.close(connection.detach())


def random_key() -> str:
    """An access key id in AWS's shape."""
    return "AKIA" + secrets.token_hex(8).upper()
