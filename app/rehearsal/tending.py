"""Looking after the children of an installation: who dies is started again, at once the first time, then later."""

import threading
import time
from collections.abc import Callable, Sequence

from app.rehearsal.child import Child
from app.rehearsal.cluster import AlreadyLocked
from app.rehearsal.ground import NoPostgres
from app.rehearsal.initdb import PostgresFailed
from app.rehearsal.postgres import EmbeddedPostgres

LOOK_EVERY = 0.1
LONGEST_BACKOFF = 10.0
STEADY_AFTER = 20.0
"""Seconds of life after which a child that dies is started at once again."""


class Backoff:
    """When a child may be started again: 0, 0.25, 0.5, 1 … 10 s after it died."""

    def __init__(self) -> None:
        self._wait = 0.0
        self._not_before = 0.0
        self._started = time.monotonic()

    def may_start(self) -> bool:
        now = time.monotonic()
        if now < self._not_before:
            return False
        if now - self._started > STEADY_AFTER:
            self._wait = 0.0
        self._wait = min(LONGEST_BACKOFF, self._wait * 2 or 0.25)
        self._not_before = now + self._wait
        self._started = now
        return True


class Tending:
    """One thread. `say` gets a line for each restart."""

    def __init__(self, postgres: EmbeddedPostgres, children: Sequence[Child], say: Callable[[str], None]) -> None:
        self._postgres = postgres
        self._children = children
        self._say = say
        self._backoffs = {name: Backoff() for name in ["PostgreSQL", *(child.name for child in children)]}
        self._end = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._left_alone: frozenset[str] = frozenset()
        self._thread = threading.Thread(target=self._run, name="tending", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def leave_alone(self, names: frozenset[str]) -> None:
        """These ("PostgreSQL", "web", …) stay dead until they are named no more. Returns when no start is under way."""
        with self._one_at_a_time:
            self._left_alone = names
            self._backoffs = {name: Backoff() for name in self._backoffs}

    def _run(self) -> None:
        while not self._end.wait(LOOK_EVERY):
            with self._one_at_a_time:
                self._look()

    def _look(self) -> None:
        if self._postgres.has_died and self._may_start("PostgreSQL"):
            self._revive_postgres()
        for child in self._children:
            if not child.is_running and self._may_start(child.name):
                self._say(f"{child.name} ended with {child.exit_code}; starting it again (its log: {child.log})")
                child.launch()

    def _may_start(self, name: str) -> bool:
        return name not in self._left_alone and self._backoffs[name].may_start()

    def _revive_postgres(self) -> None:
        self._say("PostgreSQL died; starting it again")
        try:
            self._postgres.start()
        except (PostgresFailed, NoPostgres, AlreadyLocked) as problem:
            self._say(str(problem))
