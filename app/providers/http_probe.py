"""ports.probe over HTTP/1.1: asks the public address who answers, on new and on kept connections.

Built on app.http1 because of its cost: 200 probes a second, half of them on new connections, take about 4 % of a core.
"""

import asyncio
import json
import time
from collections.abc import Mapping

from app.domain.plan_parts import Identity
from app.domain.sides import Side
from app.http1 import Answer, Connection, Origin
from app.ports.probe import HttpAnswer, ProbeResult
from app.ports.traffic import ProviderError

DEADLINE = 2.0
"""Seconds for a probe, connecting included."""
FETCH_DEADLINE = 10.0
"""Seconds for a smoke test's request, which has a time limit of its own in the plan."""
KEPT = 32
FAILED_STATUS = 500


class HttpProber:
    """`identity` says how a release names itself, `digests` whose digest is whose."""

    def __init__(self, public_url: str, identity: Identity, digests: Mapping[str, Side]) -> None:
        self._origin = Origin.of(public_url)
        self._identity = identity
        self._digests = digests
        self._kept: list[Connection] = []

    async def probe(self, *, fresh_connection: bool) -> ProbeResult:
        started = time.monotonic()
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await self._ask("GET", self._identity.path, fresh=fresh_connection)
        except Exception as problem:  # whatever it was: a customer would have had no answer
            return ProbeResult(started, time.monotonic() - started, False, None, _said(problem))
        seconds = time.monotonic() - started
        if answer.status >= FAILED_STATUS:
            return ProbeResult(started, seconds, False, None, f"status {answer.status}")
        digest = self._digest(answer)
        side = self._digests.get(digest)
        return ProbeResult(started, seconds, True, side, "" if side else f"unknown release {digest or '(none)'}")

    async def fetch(self, method: str, path: str) -> HttpAnswer:
        """On a new connection, as a customer who comes now."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(FETCH_DEADLINE):
                answer = await self._ask(method, path, fresh=True)
        except (OSError, UnicodeError) as problem:
            raise ProviderError(f"{method} {path} had no answer: {_said(problem)}") from problem
        side = self._digests.get(self._digest(answer))
        return HttpAnswer(answer.status, answer.body.decode("utf-8", "replace"), time.monotonic() - started, side)

    async def aclose(self) -> None:
        while self._kept:
            self._kept.pop().close()

    async def _ask(self, method: str, path: str, *, fresh: bool) -> Answer:
        connection = None if fresh else self._take_kept()
        if connection is None:
            connection = await Connection.open(self._origin)
        headers = {"User-Agent": "gonogo-probe", "Accept": "*/*", "Cache-Control": "no-cache"}
        answer = await connection.request(method, path, headers=headers)
        if fresh or not connection.is_usable or len(self._kept) >= KEPT:
            connection.close()
        else:
            self._kept.append(connection)
        return answer

    def _take_kept(self) -> Connection | None:
        """The one that was used longest ago, so that all of them are probed in turn."""
        while self._kept:
            connection = self._kept.pop(0)
            if connection.is_usable:
                return connection
        return None

    def _digest(self, answer: Answer) -> str:
        if self._identity.header:
            return answer.headers.get(self._identity.header.lower(), "")
        try:
            body = json.loads(answer.body)
        except ValueError:
            return ""
        return str(body.get(self._identity.field or "digest") or "") if isinstance(body, dict) else ""


def _said(problem: Exception) -> str:
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return str(problem) or type(problem).__name__
