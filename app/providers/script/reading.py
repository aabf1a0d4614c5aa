"""What a script prints, made fit to be stored and shown while it comes: plain text in bounded lines, no secret in it.

Standard library only: keeper.py uses it in its own process, so that a script that prints without end costs the worker
neither memory nor time.
"""

import codecs
import re
from collections import deque

LINE_MOST = 16 * 1024
"""Characters of a line that are kept; the rest of it is counted."""
WHOLE = 2 * 1024 * 1024
"""Characters that are passed on without leaving anything out; after them only the newest of each moment are."""
PIECE_MOST = 64 * 1024
WAITING_MOST = 4 * PIECE_MOST
FLOOD_MOST = 32 * 1024
FLOOD_KEPT = 16 * 1024
EVERY_S = 0.2
"""The shortest time between two pieces, unless there is much and all of it is to be kept."""
PENDING_SHOWN = 400
SHORTEST_SECRET = 4
SHORTEST_SECRET_LINE = 8
LONGEST_ESCAPE = 4096
SEEN_SHOWN = 300

_escapes = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])"
    # Control characters, and the marks that turn the direction of text: a line must read as it was written.
    r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_unfinished = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$")
_breaks = re.compile("[\u2028\u2029\u0085]")


class Reader:
    """Bytes in, pieces out. `hidden` is name → value of what is never shown; `signals` are looked for in each line as
    it comes, and those from number `fatal_from` on say that it failed."""

    def __init__(self, hidden: dict[str, str], signals: list[str], fatal_from: int) -> None:
        self.total = 0
        self.lines = 0
        self.left_out = 0
        self.fatal: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._names = _names(hidden)
        self._secrets = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._secrets))) if self._secrets else None
        self._signals = signals
        self._fatal_from = fatal_from
        self._open = list(range(len(signals)))
        self._overlap = max((len(signal) for signal in signals), default=1) - 1
        self._escape = ""
        self._held = ""
        self._seam = ""
        self._current = ""
        self._over = 0
        self._is_returned = False
        self._waiting: deque[str] = deque()
        self._size = 0
        self._given = 0
        self._dropped = 0
        self._seen: list[dict[str, object]] = []
        self._is_changed = False
        self._told_at = float("-inf")

    # ── in ──────────────────────────────────────────────────────────────────

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        self._is_changed = True
        self._take(self._without_secrets(self._plain(self._decoder.decode(data)), is_last=False))

    def end(self) -> None:
        """Nothing more comes: what was held back, in case it was the beginning of something, is text after all."""
        rest = self._plain(self._decoder.decode(b"", final=True)) + self._escape.replace("\x1b", "")
        self._take(self._without_secrets(rest, is_last=True))
        if self._current or self._over:
            self._finish()
        self._is_changed = True

    def _plain(self, text: str) -> str:
        text = self._escape + text
        self._escape = ""
        if (open_one := _unfinished.search(text, max(0, len(text) - LONGEST_ESCAPE))) is not None:
            text, self._escape = text[: open_one.start()], open_one[0]
        return _breaks.sub(" ", _escapes.sub("", text)).replace("\x1b", "")

    def _without_secrets(self, text: str, *, is_last: bool) -> str:
        if self._pattern is None:
            return text
        text = self._held + text
        cut = len(text) if is_last else self._sure(text)
        self._held = text[cut:]
        return self._pattern.sub(lambda found: f"‹{self._names[found[0]]}›", text[:cut])

    def _sure(self, text: str) -> int:
        """Up to where no secret can begin that is not whole yet."""
        cut = len(text)
        for secret in self._secrets:
            for length in range(min(len(secret) - 1, len(text)), 0, -1):
                if text.endswith(secret[:length]):
                    cut = min(cut, len(text) - length)
                    break
        assert self._pattern is not None
        for found in self._pattern.finditer(text):
            if found.start() < cut < found.end():
                cut = found.start()
        return cut

    def _take(self, text: str) -> None:
        *whole, rest = text.split("\n")
        for line in whole:
            self._add(line)
            self._finish()
        self._add(rest)

    def _add(self, part: str) -> None:
        """To the line that is not finished. A carriage return begins it anew: a progress bar's last state stays."""
        if not part:
            return
        self._look(part)
        if self._is_returned and part.strip("\r"):
            self._current, self._over, self._is_returned = "", 0, False
        if "\r" in part:
            body = part.rstrip("\r")
            self._is_returned = len(body) < len(part)
            again = body.rfind("\r")
            if again >= 0:
                self._current, self._over = "", 0
            part = body[again + 1 :]
        room = LINE_MOST - len(self._current)
        self._current += part[:room]
        self._over += max(0, len(part) - room)

    def _look(self, part: str) -> None:
        """For signals, in all of a line: also in what is not kept of it, and across two parts."""
        if not self._open:
            return
        there = self._seam + part
        self._seam = there[-self._overlap :] if self._overlap else ""
        for number in [number for number in self._open if self._signals[number] in there]:
            self._open.remove(number)
            at = there.index(self._signals[number])
            excerpt = there[max(0, at - SEEN_SHOWN // 2) :].strip()[:SEEN_SHOWN]
            self._seen.append({"signal": number, "line": self.lines + 1, "text": excerpt})
            if number >= self._fatal_from and self.fatal is None:
                self.fatal = number

    def _finish(self) -> None:
        line = self._current
        if self._over:
            line += f" … {self._over:,} more characters of this line are left out"
            self.left_out += self._over
        self._current, self._over, self._is_returned, self._seam = "", 0, False, ""
        self.lines += 1
        self._waiting.append(line)
        self._size += len(line) + 1
        if self._given > WHOLE and self._size > FLOOD_MOST:
            while self._size > FLOOD_KEPT and len(self._waiting) > 1:
                lost = len(self._waiting.popleft()) + 1
                self._size -= lost
                self._dropped += lost
                self.left_out += lost

    # ── out ─────────────────────────────────────────────────────────────────

    @property
    def is_full(self) -> bool:
        """Read nothing more before a piece was taken."""
        return self._size >= WAITING_MOST

    def due_in(self, now: float) -> float:
        """Seconds until a piece is to be taken."""
        if self._size >= PIECE_MOST and self._given <= WHOLE:
            return 0.0
        return max(0.0, self._told_at + EVERY_S - now) if self._is_changed else EVERY_S

    def piece(self, now: float) -> dict[str, object] | None:
        """What is new, or None. Taken at `now` (monotonic seconds)."""
        if not self._is_changed and not self._waiting:
            return None
        self._told_at = now
        taken: list[str] = []
        if self._dropped:
            taken.append(f"… {self._dropped:,} characters are left out here …")
            self._dropped = 0
        size = 0
        while self._waiting and size < PIECE_MOST:
            line = self._waiting.popleft()
            taken.append(line)
            size += len(line) + 1
        self._size -= size
        self._given += size
        seen, self._seen = self._seen, []
        self._is_changed = bool(self._waiting)
        return {
            "text": "".join(f"{line}\n" for line in taken),
            "pending": self._current[-PENDING_SHOWN:],
            "total": self.total,
            "left_out": self.left_out,
            "lines": self.lines,
            "seen": seen,
        }


def _names(hidden: dict[str, str]) -> dict[str, str]:
    """Value → name. Of a value with several lines (a key in a file) each long one is hidden by itself too."""
    found: dict[str, str] = {}
    for name, value in hidden.items():
        if len(value) >= SHORTEST_SECRET:
            found[value] = name
        lines = value.splitlines()
        for line in lines if len(lines) > 1 else ():
            if len(line.strip()) >= SHORTEST_SECRET_LINE:
                found.setdefault(line.strip(), name)
    return found
