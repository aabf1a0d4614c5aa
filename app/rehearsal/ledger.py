"""What the customers remember: how many requests, how many failed, and each failure."""

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice

REMEMBERED = 1000
RATE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """`status` is None and `error` says why where there was no answer; `connection` is "kept" or "new"."""

    at: str
    side: str
    path: str
    status: int | None
    error: str
    connection: str

    @classmethod
    def now(cls, side: str, path: str, status: int | None, error: str, connection: str) -> "Failure":
        return cls(datetime.now(UTC).isoformat(), side, path, status, error, connection)

    def __str__(self) -> str:
        what = f"status {self.status}" if self.status else self.error
        return f"{self.at[11:19]} {self.side or 'nobody'} {self.path}: {what}"


class Ledger:
    """Counts since the process started."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.held_back = 0
        self.worst_ms = 0.0
        self._by_side: Counter[str] = Counter({"BLUE": 0, "GREEN": 0, "": 0})
        self._held: Counter[str] = Counter()
        self._failures: deque[Failure] = deque(maxlen=REMEMBERED)
        self._seconds: deque[list[int]] = deque(maxlen=RATE_SECONDS + 2)

    def sent(self) -> None:
        self.requests += 1
        second = int(time.monotonic())
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0])
        self._seconds[-1][1] += 1

    def answered(self, side: str, seconds: float = 0.0) -> None:
        """`seconds` is how long a request took; 0 for a long answer that only began."""
        self._by_side[side] += 1
        self.worst_ms = max(self.worst_ms, seconds * 1000)

    def hold(self, side: str, change: int) -> None:
        """A customer's stream opened on a side (1) or ended (-1)."""
        self._held[side] += change

    def fail(self, failure: Failure) -> None:
        self.failed += 1
        if failure.status is None and not failure.side:
            self._by_side[""] += 1
        self._failures.append(failure)

    def per_second(self) -> float:
        """Over the last five whole seconds."""
        now = int(time.monotonic())
        counts = [count for second, count in self._seconds if now - RATE_SECONDS <= second < now]
        return sum(counts) / RATE_SECONDS

    def as_json(self, failures: int = REMEMBERED) -> dict[str, object]:
        """With the newest `failures` of the failures remembered."""
        newest = self._failures[-1] if self._failures else None
        return {
            "requests": self.requests,
            "failed": self.failed,
            "per_second": self.per_second(),
            "by_side": dict(self._by_side),
            "held_back": self.held_back,
            "worst_ms": round(self.worst_ms, 1),
            "held_blue": self._held["BLUE"],
            "held_green": self._held["GREEN"],
            "last_failure": str(newest) if newest else "",
            "failures": [asdict(failure) for failure in islice(reversed(self._failures), failures)],
            "failures_dropped": self.failed - min(len(self._failures), failures),
        }
