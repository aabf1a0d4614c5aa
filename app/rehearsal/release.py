"""A toy release: one process that says who it is, works a little for each request, and can be made to suffer.

`python -m app.rehearsal.release --side GREEN --port 8404`
"""

import argparse
import asyncio
import hmac
import json
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, cast

import uvicorn
from pydantic import ValidationError

from app.domain.sides import Release, Side
from app.rehearsal.knobs import ReleaseKnobs
from app.rehearsal.load import Ballast, Burner, ToyDatabase
from app.rehearsal.release_metrics import ReleaseMetrics
from app.rehearsal.release_page import page
from app.rehearsal.streams import Streams
from app.rehearsal.toys import ABOUT, RELEASES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Reply = tuple[int, str, bytes]

JSON = "application/json"
QUERY_SECONDS = (0.002, 0.012, 0.004)
"""Shortest, longest and most frequent time of a query."""


class ToyRelease:
    """The ASGI application of one release. `token` protects `/_knobs`."""

    def __init__(self, side: Side, release: Release, token: str) -> None:
        self._release = release
        self._token = token
        self._knobs = ReleaseKnobs()
        self._random = random.SystemRandom()
        self._database = ToyDatabase()
        self._ballast = Ballast()
        self._burner = Burner()
        self._streams = Streams()
        self._metrics = ReleaseMetrics(self._database.peak, self._ballast.resident)
        self._page = page(side, release)
        self._identity = [
            (b"x-release-version", release.version.encode()),
            (b"x-release-digest", release.digest.encode()),
        ]
        if ABOUT.header and ABOUT.header.lower() != "x-release-digest":
            self._identity.append((ABOUT.header.lower().encode(), release.digest.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path == "/stream" and not self._knobs.unavailable:
            await self._streams.serve([*self._identity, (b"content-type", b"text/plain")], receive, send)
            return
        if path.startswith("/_"):
            status, kind, body = await self._inner(scope, receive)
        elif path == "/metrics":
            status, kind, body = 200, "text/plain; version=0.0.4", self._metrics.text()
        elif path == "/health":
            status, kind, body = self._health()
        else:
            started = time.perf_counter()
            status, kind, body = await self._serve(path)
            self._metrics.observe(status, time.perf_counter() - started)
        headers = [*self._identity, (b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _health(self) -> Reply:
        says = "unavailable" if self._knobs.unavailable else "ok"
        about = {"status": says, "version": self._release.version, "digest": self._release.digest}
        return (503 if self._knobs.unavailable else 200), JSON, json.dumps(about).encode()

    async def _serve(self, path: str) -> Reply:
        """A customer's request: a query on a database connection, and whatever the knobs add to it."""
        knobs = self._knobs
        if knobs.unavailable:
            return 503, JSON, b'{"error": "unavailable"}'
        async with self._database.connection():
            await asyncio.sleep(self._random.triangular(*QUERY_SECONDS))
        if knobs.latency_ms:
            await asyncio.sleep(knobs.latency_ms / 1000)
        if knobs.failure_percent and self._random.random() * 100 < knobs.failure_percent:
            return 500, JSON, b'{"error": "this release fails on purpose"}'
        if knobs.payment_fails and path == "/pay":
            return 500, JSON, b'{"error": "payment fails on purpose"}'
        if path == ABOUT.path and ABOUT.field:
            about = {ABOUT.field: self._release.digest, "version": self._release.version}
            return 200, JSON, json.dumps(about).encode()
        if path == "/":
            return 200, "text/html; charset=utf-8", self._page
        return 200, JSON, json.dumps({"path": path, "served_by": self._release.version}).encode()

    async def _inner(self, scope: Scope, receive: Receive) -> Reply:
        """For the control process only: `PUT /_knobs` and `POST /_drain`."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self._token.encode()):
            return 401, JSON, b'{"error": "no token"}'
        if scope["path"] == "/_drain":
            return 200, JSON, json.dumps({"drained": self._streams.drain()}).encode()
        return await self._set_knobs(receive)

    async def _set_knobs(self, receive: Receive) -> Reply:
        try:
            self._knobs = ReleaseKnobs.model_validate_json(await _body(receive))
        except ValidationError as problem:
            return 422, JSON, problem.json(include_url=False).encode()
        await self._database.hold(self._knobs.db_connections)
        self._ballast.stand_at(self._knobs.memory_percent)
        self._burner.burn(self._knobs.cpu_percent)
        return 200, JSON, self._knobs.model_dump_json().encode()


async def _body(receive: Receive) -> bytes:
    parts = b""
    while True:
        message: Mapping[str, Any] = await receive()
        parts += cast(bytes, message.get("body", b""))
        if not message.get("more_body"):
            return parts


def main() -> None:
    parser = argparse.ArgumentParser(description="A toy release of the rehearsal range.")
    parser.add_argument("--side", choices=[side.value for side in Side], required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--version", help="another version than the range's own")
    parser.add_argument("--digest", help="another digest than the range's own")
    arguments = parser.parse_args()
    side = Side(arguments.side)
    own = RELEASES[side]
    release = Release(arguments.version or own.version, arguments.digest or own.digest)
    uvicorn.run(
        ToyRelease(side, release, os.environ["RANGE_TOKEN"]),
        host="127.0.0.1",
        port=arguments.port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,  # longer than the balancer keeps idle ones: it never writes into one that closes
    )


if __name__ == "__main__":
    main()
