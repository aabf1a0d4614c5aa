"""The script port: running a team's own script, with its output while it comes."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

How = Literal["ended", "late", "signal", "abandoned", "lapsed", "not started", "unknown"]
"""`signal`: its output said that it failed, and it was stopped. `abandoned`: it was stopped from outside. `lapsed`:
nobody said in time that it may go on. `unknown`: what watched over it is gone."""


def machine_now() -> float:
    """Seconds on the one clock of all processes of this machine, which goes on while they, or it, stand still."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Seen:
    """A signal (by its number in the order) in a line of the output, counted from 1."""

    signal: int
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What came since the last one: whole lines in `text`, plain and without secrets; `pending` is the line that is not
    finished. `total` (bytes printed), `lines` and `left_out` (characters kept nowhere) count from the start."""

    text: str
    pending: str
    total: int
    lines: int
    left_out: int
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is the exit code, negative for a signal of the system, None if there is none. `survivors` counts processes
    that could not be ended."""

    how: How
    code: int | None
    problem: str = ""
    survivors: int = 0


class RunningScript(Protocol):
    def pieces(self) -> AsyncIterator[Piece]:
        """Until the script and all it started are gone; then `ended` says how it went."""
        ...

    def stop(self) -> None:
        """TERM to its whole tree now, KILL after the grace; `pieces` comes to its end by it."""
        ...

    def hold(self, until: float) -> None:
        """It may go on until then, in seconds of `machine_now`."""
        ...

    @property
    def ended(self) -> Ended: ...


class Scripts(Protocol):
    """Where a team's scripts are. Arguments are lists; no shell ever reads them."""

    async def why_not(self, command: Sequence[str]) -> str:
        """Why this command cannot be run here; empty if it can. A place that does not answer is a reason too."""
        ...

    def start(
        self,
        command: Sequence[str],
        *,
        within: float,
        signals: Sequence[str],
        fatal_from: int,
        until: float | None = None,
    ) -> AbstractAsyncContextManager[RunningScript]:
        """Run it for at most `within` seconds. `signals` are looked for in its output; one from number `fatal_from` on
        stops it. Leaving the context ends the whole tree. With `until` (seconds of `machine_now`) it is ended then,
        and not begun any more, unless `hold` put that off: also where this process does not move by then. Raises
        ProviderError (ports.traffic) when it cannot be run at all."""
        ...
