"""A worker process in the simulator: alive, frozen (SIGSTOP) or dead (SIGKILL) at any of its calls to the outside."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.orchestrator.virtual_time import START
from tests.simulate.scenario import Strike


class Killed(BaseException):
    """SIGKILL: nothing of this worker runs any more."""


Tell = Callable[[str], None]


@dataclass
class Life:
    """Counts the calls and strikes. `note(fault, call)` is told of each strike; every gate waits while it is frozen."""

    name: str
    strikes: list[Strike]
    note: Callable[[str, str], None]
    calls: dict[str, int] = field(default_factory=dict)
    total: int = 0
    frozen_until: float = -1.0
    dead: asyncio.Event = field(default_factory=asyncio.Event)
    away: list[tuple[float, float]] = field(default_factory=list)
    """When it was frozen."""
    away_in: list[str] = field(default_factory=list)
    """In which call, each time."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def is_frozen(self) -> bool:
        return self.frozen_until > self.now()

    async def gate(self) -> None:
        """Pass if alive; wait while frozen; end if dead."""
        if self.dead.is_set():
            raise Killed
        while self.is_frozen:
            await asyncio.sleep(self.frozen_until - self.now())
            if self.dead.is_set():
                raise Killed

    async def through(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """One call to the outside, with what this life has in store before it and after it."""
        await self.gate()
        strike = self._due(name)
        if strike is not None and strike.is_before:
            await self._suffer(strike, name)
        result = await call()
        if strike is not None and not strike.is_before:
            await self._suffer(strike, name)
        await self.gate()
        return result

    def _due(self, name: str) -> Strike | None:
        self.total += 1
        count = self.calls[name] = self.calls.get(name, 0) + 1
        for strike in self.strikes:
            nth = self.total if not strike.call else count if strike.call == name else 0
            if nth and (self.now() >= strike.from_s if strike.from_s else nth == strike.nth):
                self.strikes.remove(strike)
                return strike
        return None

    async def _suffer(self, strike: Strike, name: str) -> None:
        self.note(f"{strike.kind}.{'before' if strike.is_before else 'after'}", name)
        if strike.kind == "kill":
            self.dead.set()
            raise Killed
        self.frozen_until = self.now() + strike.lasts_s
        self.away.append((self.now(), self.frozen_until))
        self.away_in.append(name)
        await self.gate()


class LifeClock:
    """ports.clock.Clock of one worker: its wall clock may be wrong, and it sleeps on while it is frozen."""

    def __init__(self, life: Life, off_s: float) -> None:
        self._life, self._off = life, timedelta(seconds=off_s)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic()) + self._off

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self._life.frozen_until > 0 or self._life.dead.is_set():
            await self._life.gate()


class Through:
    """A port or a store whose every call passes through a life."""

    def __init__(self, inner: Any, life: Life, *, without: frozenset[str] = frozenset()) -> None:
        self._inner, self._life, self._without = inner, life, without

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in self._without or not asyncio.iscoroutinefunction(found):
            return found
        life = self._life

        async def call(*args: Any, **named: Any) -> Any:
            return await life.through(name, lambda: found(*args, **named))

        self.__dict__[name] = call
        return call
