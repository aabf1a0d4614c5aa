"""The last place before the wire, from inside the thread that sends.

Between the fence that the caller awaited and the bytes there are a thread's start, a signature, perhaps a refresh of
credentials: time enough for a newer operation. So botocore's event right before sending asks once more. A call whose
caller gave up meanwhile does not leave either, and a write that nobody put a gate around never does.
"""

import asyncio
import threading
from typing import Any

from app.ports.traffic import Fence

FENCE_WITHIN = 2.0

EFFECTS = {
    "elbv2": ("elastic-load-balancing-v2", ("ModifyListener", "ModifyRule", "AddTags")),
    "route53": ("route-53", ("ChangeResourceRecordSets",)),
}
"""The calls that change something: client name → (name in botocore's events, operations)."""


class NotSent(Exception):
    """The call did not leave, and will not any more."""


class Gate:
    """One for each effect. Made in the event loop that the fence belongs to."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._is_closed = False
        self._is_passed = False

    def close(self) -> bool:
        """The caller gives up: nothing passes from now on. True if the call had passed before."""
        with self._lock:
            self._is_closed = True
            return self._is_passed

    def pass_through(self) -> None:
        """In the sending thread. Raises what the fence raises, and NotSent if it has no answer or nobody waits."""
        self._must_be_open()
        asked = asyncio.run_coroutine_threadsafe(self._ask(), self._loop)
        try:
            asked.result(FENCE_WITHIN)
        except TimeoutError as problem:
            asked.cancel()
            raise NotSent("whether a newer operation exists could not be asked in time") from problem
        with self._lock:
            if self._is_closed:
                raise NotSent("its caller gave up before it left")
            self._is_passed = True

    def _must_be_open(self) -> None:
        if self._is_closed:
            raise NotSent("its caller gave up before it left")

    async def _ask(self) -> None:
        await self._fence()


_here = threading.local()


def stand_before(gate: Gate) -> None:
    """The effects that this thread sends from now on pass through `gate`."""
    _here.gate = gate


def guard(client: Any, service: str) -> None:
    """Put the gate of the sending thread before each effect of a boto3 client."""
    name, operations = EFFECTS.get(service, ("", ()))
    for operation in operations:
        client.meta.events.register(f"before-send.{name}.{operation}", _at_the_wire)


def _at_the_wire(**_: Any) -> None:
    gate: Gate | None = getattr(_here, "gate", None)
    if gate is None:
        raise NotSent("an effect without a gate")
    gate.pass_through()
