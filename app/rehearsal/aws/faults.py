"""Faults of the simulated AWS: which calls fail, how, and how often."""

import random
import threading
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["error", "slow", "drip", "reset", "dropped", "late"]
ANY = "*"


class Fault(BaseModel):
    """For calls of `service` ("elbv2", "route53", "sts", "iam", "*") and `operation` ("ModifyListener", "*"):

    - error: answered with `status` and `code` after `ms`, and not applied
    - slow: handled `ms` later
    - drip: applied, the answer comes a byte every `ms` (250 if 0)
    - reset: the connection is reset before anything is applied
    - dropped: applied, then the connection is reset
    - late: the connection is reset at once, and the call applied `ms` later

    `percent` of the calls are hit; with `times` above 0, only so many of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: Annotated[str, Field(max_length=20)] = ANY
    operation: Annotated[str, Field(max_length=60)] = ANY
    kind: Kind
    percent: Annotated[int, Field(ge=1, le=100)] = 100
    times: Annotated[int, Field(ge=0, le=10_000)] = 0
    ms: Annotated[int, Field(ge=0, le=30_000)] = 0
    status: Annotated[int, Field(ge=400, le=599)] = 400
    code: Annotated[str, Field(max_length=60)] = "Throttling"

    @model_validator(mode="after")
    def _late_needs_a_time(self) -> "Fault":
        if self.kind in ("slow", "late") and not self.ms:
            raise ValueError(f"a fault of kind {self.kind} needs ms")
        return self

    def is_for(self, service: str, operation: str) -> bool:
        return self.service in (ANY, service) and self.operation in (ANY, operation)


class Faults:
    """The faults in force; callable from any thread. The same `seed` hits the same calls of one sequence."""

    def __init__(self, seed: int = 1) -> None:
        self._lock = threading.Lock()
        self._chance = random.Random(seed)  # noqa: S311 - which calls fail, not a secret
        self._standing: list[Fault] = []
        self._left: list[int] = []

    def set(self, faults: Iterable[Fault]) -> None:
        with self._lock:
            self._standing = list(faults)
            self._left = [fault.times for fault in self._standing]

    @property
    def standing(self) -> tuple[Fault, ...]:
        return tuple(self._standing)

    def strike(self, service: str, operation: str) -> Fault | None:
        """The fault that hits this call, if any; the first of several."""
        with self._lock:
            for number, fault in enumerate(self._standing):
                if not fault.is_for(service, operation) or (fault.times and not self._left[number]):
                    continue
                if self._chance.random() * 100 >= fault.percent:
                    continue
                self._left[number] -= 1
                return fault
        return None

    def denies(self, operation: str) -> bool:
        """True if a standing fault refuses this operation for want of permission: what IAM's simulator tells."""
        return any(
            fault.kind == "error" and fault.code.startswith("AccessDenied") and fault.operation in (ANY, operation)
            for fault in self._standing
        )
