"""The range's stand-in for a port's slot book: the booked slots of each day, for BLUE and for GREEN, kept in a file.

Plain answers, a line a row, so that a script of bash reads them without help. BLUE begins with a week of bookings,
GREEN with none. The scripts of plans/harbour.yaml (app/rehearsal/scripts) copy and compare them.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.domain.sides import Side

SLOTBOOK_KEY = "slotbook.token"
FILE = "slotbook.json"
FIRST = date(2026, 10, 25)
DAYS = 7
FEWEST, MOST = 34, 47
"""Slots booked on a day of the week that BLUE begins with."""
LONGEST = 64 * 1024
FORWARDERS = ("Maas & Zn", "Oosterling", "Veldkamp", "De Wit Cargo", "Rietveld", "Brouwer Trans")

Rows = dict[str, str]
"""Slot ("0615-K3": quarter of an hour and gate) → who booked it."""


class SlotBook:
    """What is kept, in `folder`; each change is on disk before it is answered."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._kept: dict[str, dict[str, Rows]]
        if self._file.exists():
            self._kept = json.loads(self._file.read_text())
        else:
            self._kept = {Side.BLUE.value: booked_week(), Side.GREEN.value: {}}

    def of(self, side: Side) -> dict[str, Rows]:
        return self._kept[side.value]

    def put(self, side: Side, day: str, rows: Rows) -> None:
        self._kept[side.value][day] = rows
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(self._kept, indent=1, sort_keys=True))
        draft.replace(self._file)


def booked_week() -> dict[str, Rows]:
    """The same bookings at every start: each slot follows from its day and number."""
    return {str(FIRST + timedelta(days=ahead)): _booked_day(FIRST + timedelta(days=ahead)) for ahead in range(DAYS)}


def _booked_day(day: date) -> Rows:
    count = FEWEST + _drawn(f"{day}", MOST - FEWEST + 1)
    found: Rows = {}
    number = 0
    while len(found) < count:
        quarter, gate = _drawn(f"{day} {number} quarter", 96), _drawn(f"{day} {number} gate", 6)
        slot = f"{quarter // 4:02}{quarter % 4 * 15:02}-K{gate + 1}"
        found[slot] = FORWARDERS[_drawn(f"{day} {number} forwarder", len(FORWARDERS))]
        number += 1
    return dict(sorted(found.items()))


def _drawn(what: str, below: int) -> int:
    return int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big") % below


def text_of(rows: Rows) -> str:
    return "".join(f"{slot} {forwarder}\n" for slot, forwarder in sorted(rows.items()))


def read_rows(text: str) -> Rows:
    """Raises ValueError for a line that is no booking, and for a slot that is there twice."""
    found: Rows = {}
    for line in text.splitlines():
        slot, _, forwarder = line.partition(" ")
        if not slot or not forwarder:
            raise ValueError("a line is no booking")
        if slot in found:
            raise ValueError(f"the slot {slot} is there twice")
        found[slot] = forwarder
    return found


def slotbook_routes(book: SlotBook, token: str, refuses: Callable[[], bool]) -> list[Route]:
    """`refuses`: whether it answers 423 to every change, as a book that somebody else holds locked."""
    lock = asyncio.Lock()

    async def handle(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return PlainTextResponse("No token\n", 401)
        try:
            side = Side(request.path_params["side"].upper())
        except ValueError:
            return PlainTextResponse("A side is blue or green\n", 404)
        day = request.path_params.get("day", "")
        if request.method == "GET":
            return _told(book, side, day)
        if refuses():
            return PlainTextResponse("The slot book is locked by somebody else\n", 423)
        body = await request.body()
        if len(body) > LONGEST or not _is_day(day):
            return PlainTextResponse("That is no day of bookings\n", 422)
        try:
            rows = read_rows(body.decode("utf-8"))
        except ValueError as wrong:
            return PlainTextResponse(f"Not taken: {wrong}\n", 422)
        async with lock:
            book.put(side, day, rows)
        return PlainTextResponse("", 201)

    return [
        Route("/slotbook/{side}", handle, methods=["GET"]),
        Route("/slotbook/{side}/{day}", handle, methods=["GET", "PUT"]),
    ]


def _told(book: SlotBook, side: Side, day: str) -> Response:
    """A day's bookings; without a day, each day with its count and the digest of its bookings."""
    days = book.of(side)
    if day:
        return PlainTextResponse(text_of(days[day])) if day in days else PlainTextResponse("Not Found\n", 404)
    lines = (
        f"{key} {len(rows)} {hashlib.sha256(text_of(rows).encode()).hexdigest()[:16]}\n"
        for key, rows in sorted(days.items())
    )
    return PlainTextResponse("".join(lines))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
