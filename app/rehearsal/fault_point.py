"""A point at which a worker or the web process dies or freezes: for tests with real processes, and for nothing else.

A process has it only if GONOGO_FAULT_FILE names a file, which a live installation refuses (app/config.py). The file
holds one order, and the first process that comes to its point takes it away: `{"after": 12, "call": "record_outcome",
"nth": 1, "before": true, "signal": "KILL"}` strikes the driver of an operation newer than 12. `call` is a method of the
store or of the traffic port, "send" (between the fence and the bytes), or in the web process "press": the COMMIT of the
transaction that accepts an operation. "keep" is the record of a look at a canary, whose run is newer than `after`.
`nth` 0 is whichever comes next. What was taken lies beside it, named after process and worker.
"""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

OPERATIONS = "operation"
"""The table whose new row is a press."""
PRESSED = "pressed"
SIGNALS = {"KILL": signal.SIGKILL, "STOP": signal.SIGSTOP}


@dataclass
class FaultPoint:
    file: Path
    worker: str
    _seen: Counter[tuple[int, str]] = field(default_factory=Counter)

    def on(self, job: Any, deps: Any) -> tuple[Any, Any]:
        """The job and the dependencies of one drive, with the point in every call to balancer and store."""
        number = job.operation_id
        struck = replace(job, traffic=_Struck(job.traffic, self, number))
        return struck, replace(deps, store=_Struck(deps.store, self, number))

    def on_record(self, number: int, record: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
        """What keeps a canary's looks, with the point before and after each."""

        async def call(look: Any) -> None:
            self.enter(number, "keep")
            await record(look)
            self.come(number, "keep", is_before=False)

        return call

    def on_presses(self) -> None:
        """From now on, in this process: before and after the COMMIT of each transaction with a new operation."""
        event.listen(Session, "after_flush", self._note_press)
        event.listen(Session, "before_commit", self._before_commit)
        event.listen(Session, "after_commit", self._after_commit)

    def _note_press(self, session: Session, _context: Any) -> None:
        for one in session.new:
            if getattr(one, "__tablename__", "") == OPERATIONS:
                session.info[PRESSED] = one.id

    def _before_commit(self, session: Session) -> None:
        if PRESSED in session.info and not session.in_nested_transaction():
            self.enter(session.info[PRESSED], "press")

    def _after_commit(self, session: Session) -> None:
        if PRESSED in session.info and not session.in_nested_transaction():
            self.come(session.info.pop(PRESSED), "press", is_before=False)

    def enter(self, operation_id: int, call: str) -> None:
        self._seen[operation_id, call] += 1
        self.come(operation_id, call, is_before=True)

    def come(self, operation_id: int, call: str, *, is_before: bool) -> None:
        """Strike if this is the ordered point and nobody was here before."""
        try:
            order = json.loads(self.file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return
        is_here = (call, is_before) == (order["call"], order["before"])
        if operation_id <= order["after"] or not is_here or order["nth"] not in (0, self._seen[operation_id, call]):
            return
        try:
            os.rename(self.file, self.file.with_name(f"{self.file.name}.taken.{os.getpid()}.{self.worker}"))
        except FileNotFoundError:
            return
        os.kill(os.getpid(), SIGNALS[order["signal"]])


class _Struck:
    """A port or a store with the point before and after each of its calls."""

    def __init__(self, inner: Any, point: FaultPoint, operation_id: int) -> None:
        self._inner, self._point, self._operation_id = inner, point, operation_id

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            self._point.enter(self._operation_id, name)
            if "fence" in named:
                named["fence"] = self._between(named["fence"])
            result = await found(*args, **named)
            self._point.come(self._operation_id, name, is_before=False)
            return result

        return call

    def _between(self, fence: Any) -> Any:
        async def call() -> None:
            await fence()
            self._point.enter(self._operation_id, "send")

        return call
