"""How customers behave: requests at a steady rate whatever the answers, most on kept connections, some on new ones."""

import asyncio
import random
import time

from app.http1 import Answer, Connection, Origin
from app.rehearsal.held import HeldCustomers
from app.rehearsal.ledger import Failure, Ledger
from app.rehearsal.toys import SIDE_OF_DIGEST

ERRANDS = (
    ("GET", "/", 4),
    ("GET", "/api/orders", 4),
    ("GET", "/api/orders/17", 3),
    ("GET", "/reports", 1),
    ("POST", "/login", 1),
    ("POST", "/pay", 1),
)
"""Method, path, and how often compared with the others."""
FORM = b"customer=17&amount=42"
NEW_CONNECTION_SHARE = 0.15
PATIENCE = 10.0
"""Seconds after which a customer gives up: a failure."""
CROWD_LIMIT = 2000
"""Requests in flight; beyond that no more are sent, and the ledger counts the ones held back."""
TICK = 0.002


class Crowd:
    """Sends `per_second` requests, evenly spread, without waiting for answers before sending the next."""

    def __init__(self, public_url: str, per_second: int) -> None:
        self.per_second = per_second
        self.ledger = Ledger()
        self._origin = Origin.of(public_url)
        self._idle: list[Connection] = []
        self._in_flight: set[asyncio.Task[None]] = set()
        self._random = random.SystemRandom()
        self.held = HeldCustomers(self._origin, self.ledger)
        self._errands = [(method, path) for method, path, often in ERRANDS for _ in range(often)]

    async def run(self) -> None:
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if self.per_second == 0 or now - due > 1:
                due = now
            while self.per_second and due <= now:
                self._send()
                due += 1 / self.per_second
            await asyncio.sleep(max(TICK, due - time.monotonic()) if self.per_second else 0.05)

    def _send(self) -> None:
        if len(self._in_flight) >= CROWD_LIMIT:
            self.ledger.held_back += 1
            return
        task = asyncio.create_task(self._do_errand())
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _do_errand(self) -> None:
        method, path = self._random.choice(self._errands)
        kept = None if self._random.random() < NEW_CONNECTION_SHARE else self._kept()
        kind = "kept" if kept else "new"
        self.ledger.sent()
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                connection = kept or await Connection.open(self._origin)
                answer = await connection.request(method, path, body=FORM if method == "POST" else b"")
        except Exception as problem:  # whatever it was, a customer got no answer
            self.ledger.fail(Failure.now("", path, None, _said(problem), kind))
            return
        self._keep(connection)
        side = _side(answer)
        self.ledger.answered(side, time.monotonic() - began)
        if answer.status >= 500:
            self.ledger.fail(Failure.now(side, path, answer.status, "", kind))

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        if connection.is_usable and len(self._idle) < max(8, self.per_second // 4):
            self._idle.append(connection)
        else:
            connection.close()


def _said(problem: Exception) -> str:
    if isinstance(problem, TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    return f"{type(problem).__name__}: {problem}"[:200]


def _side(answer: Answer) -> str:
    """By the release's own digest; where the balancer answered in its stead, by the balancer's word."""
    known = SIDE_OF_DIGEST.get(answer.headers.get("x-release-digest", ""))
    return known.value if known else answer.headers.get("x-served-by", "")
