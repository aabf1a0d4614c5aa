"""The points of `make matrix`: whose death, at which call, and what came of it."""

from dataclasses import dataclass, field

FAMILIES = ("worker", "web", "postgres", "canary")
ORDERED = {"KILL": "KILL", "STOP": "STOP", "WEB": "KILL", "POSTGRES": "STOP"}
"""What the process at the point does to itself. While a worker stands still, PostgreSQL is killed, and it goes on."""
SWITCH = (
    *(
        ("claim", 1),
        ("load", 1),
        ("health", 1),
        ("read", 1),
        ("readings", 1),
        ("record_intent", 1),
        ("newest_epoch", 1),
    ),
    *(("send", 1), ("write", 1), ("record_outcome", 1), ("record", 1), ("read", 2), ("record", 2), ("record", 3)),
    *(("claim", 2),),
)
ROLLBACK = (
    *(("claim", 1), ("load", 1), ("record_intent", 1), ("newest_epoch", 1), ("send", 1), ("write", 1)),
    *(("record_outcome", 1), ("record", 1), ("read", 1), ("record", 2), ("record", 3), ("read", 2), ("record", 5)),
    *(("claim", 2), ("finish", 1)),
)
SHIFT = (
    *(("claim", 1), ("load", 1), ("health", 1), ("record_intent", 1), ("newest_epoch", 1), ("send", 1), ("write", 1)),
    *(("record_outcome", 1), ("record", 1), ("read", 1), ("record", 2), ("finish", 1)),
)
KEEP = (("keep", 0),)
"""The record of a look at a canary, while it dwells."""
BACK = (
    *(("load", 1), ("record_intent", 1), ("newest_epoch", 1), ("send", 1), ("write", 1), ("record_outcome", 1)),
    *(("record", 1), ("read", 1), ("finish", 1)),
)
MIDDLE = (("load", 1), ("record_intent", 1), ("write", 1), ("record_outcome", 1), ("record", 2))
"""Where PostgreSQL dies: nothing done, announced, on its way, written, observing."""


@dataclass(frozen=True)
class Point:
    """Who is struck: a worker at its `nth` call of that name, before or after, by KILL or STOP; PostgreSQL at the same
    moment (POSTGRES); or the web process (WEB), whose only call is the COMMIT of a "press"."""

    kind: str
    call: str
    nth: int
    is_before: bool
    signal: str

    def __str__(self) -> str:
        side = "before" if self.is_before else "after"
        return f"{self.kind} {self.signal} {side} {self.call} {self.nth}"


Pair = tuple[Point | None, Point | None]
"""The faults of a round: at its switch and at its rollback; or at a canary's share or while it dwells, and on its way
back."""
OF_A_CANARY = ("keep", "shift", "shift back")


@dataclass(frozen=True)
class Struck:
    """`at` is seconds since 1970."""

    pid: int
    worker: str
    at: float


@dataclass
class Finding:
    """What came of one point. `wrong` is empty if all was right. `back_ms` is how long web or PostgreSQL were away,
    `resolved_ms` how long after PostgreSQL's return the operation was where it must be, `repeat` what a browser got
    that pressed again."""

    point: str
    is_reached: bool = False
    takeover_ms: int | None = None
    state: str = ""
    moved_ms: int | None = None
    late_calls: int = 0
    refused_calls: int = 0
    back_ms: int | None = None
    resolved_ms: int | None = None
    repeat: str = ""
    wrong: list[str] = field(default_factory=list)


def points(kind: str, calls: tuple[tuple[str, int], ...]) -> list[Point]:
    """A worker's deaths and freezes."""
    found = []
    for call, nth in calls:
        for name in ("KILL", "STOP"):
            found.append(Point(kind, call, nth, True, name))
            if call != "send":
                found.append(Point(kind, call, nth, False, name))
    return found


def pairs_of(families: tuple[str, ...], rounds: int) -> list[Pair]:
    """All points of these families in rounds, at most `rounds` of each, spread evenly."""
    found: list[Pair] = []
    if "worker" in families:
        found += _thinned(_paired(points("switch", SWITCH), points("rollback", ROLLBACK)), rounds)
    if "web" in families:
        presses = {
            kind: [Point(kind, "press", 1, is_before, "WEB") for is_before in (True, False)]
            for kind in ("switch", "rollback")
        }
        found += _thinned(_paired(presses["switch"], presses["rollback"]), rounds)
    if "postgres" in families:
        middles = {
            kind: [Point(kind, call, nth, True, "POSTGRES") for call, nth in MIDDLE] for kind in ("switch", "rollback")
        }
        found += _thinned(_paired(middles["switch"], middles["rollback"]), rounds)
    if "canary" in families:
        ups = [*points("keep", KEEP), *points("shift", SHIFT)]
        found += _thinned(_paired(ups, points("shift back", BACK)), rounds)
    return found


def _paired(switches: list[Point], rollbacks: list[Point]) -> list[Pair]:
    count = max(len(switches), len(rollbacks))
    return [
        (switches[n] if n < len(switches) else None, rollbacks[n] if n < len(rollbacks) else None) for n in range(count)
    ]


def _thinned(pairs: list[Pair], rounds: int) -> list[Pair]:
    count = len(pairs)
    if rounds >= count:
        return pairs
    return [pairs[round(n * (count - 1) / max(1, rounds - 1))] for n in range(rounds)]
