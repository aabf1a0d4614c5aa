"""One rendering for all who look: a change makes every browser ask for the same fragments within milliseconds."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

KEEP_S = 0.25
"""Long enough for the browsers that one NOTIFY woke; ages and clocks on what is shared are at most that old."""
MOST = 512


@dataclass(frozen=True, slots=True)
class _Made:
    versions: Mapping[str, int]
    at: float
    task: asyncio.Task[Any]


class Shelf:
    """What was made lately, by key: nobody makes the same thing twice at the same versions of its topics."""

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self._keep_s = keep_s
        self._made: dict[Hashable, _Made] = {}

    async def take(self, key: Hashable, versions: Mapping[str, int], make: Callable[[], Awaitable[Any]]) -> Any:
        """What `make` gives, possibly for somebody else a moment ago. `key` must name the audience: everything that
        `make` depends on besides the versions. If it fails, it fails for all who wait, and the next one makes it
        anew."""
        now = asyncio.get_running_loop().time()
        found = self._made.get(key)
        if found is None or found.versions != versions or now - found.at > self._keep_s:
            self._forget(now)
            found = _Made(dict(versions), now, asyncio.create_task(_run(make)))
            self._made[key] = found
            found.task.add_done_callback(lambda task: self._drop_failed(key, task))
        # Whoever leaves must not take it from the others.
        return await asyncio.shield(found.task)

    def _drop_failed(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        found = self._made.get(key)
        if found is not None and found.task is task and (task.cancelled() or task.exception() is not None):
            del self._made[key]

    def _forget(self, now: float) -> None:
        if len(self._made) < MOST:
            return
        for key in [key for key, made in self._made.items() if now - made.at > self._keep_s]:
            del self._made[key]


async def _run(make: Callable[[], Awaitable[Any]]) -> Any:
    return await make()
