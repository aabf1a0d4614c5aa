"""The capsule: a self-contained rollback order that arming leaves on every worker's disk (design.md, "Moving traffic").

It holds everything a rollback needs when nothing else is left: where the balancer is, how a release says who it is,
which digests are whose, and with which epoch to write. No secrets: credentials are named by file, as in site.yaml.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from app.domain.epochs import top_of
from app.domain.plan_parts import Channel, Contact, Criterion, Identity, ProbeSpec
from app.domain.sides import Release, Side, Weights


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Step(_Part):
    """A step that a person can do at a console, with real ids (ports.traffic.HandStep)."""

    text: str
    command: str = ""


class ReleasePart(_Part):
    version: str
    digest: str


class Order(_Part):
    """What a capsule says. `expires_at` is on the clock of the machine that wrote it, so that a clock that is wrong
    makes no difference there; `issued_at` is the database's time, for people."""

    format: Literal[1] = 1
    deployment_id: int
    attempt: int
    title: str
    mode: str
    zone: str
    """IANA name of the plan's time zone, for times that people read."""
    plan_key: str
    plan_hash: str
    target: str
    target_title: str
    binding: dict[str, Any]
    """The target's part of site.yaml: provider, resource ids, addresses, credentials by file name."""
    addresses: dict[str, tuple[str, ...]] = {}
    """Host → the addresses it had when the capsule was renewed, so that no name service is needed."""
    configuration: str = ""
    """The target's set-up that the team voted on (ports.traffic.TargetReading.configuration)."""
    identity: Identity
    probes: ProbeSpec
    criteria: tuple[Criterion, ...] = ()
    within_s: float = 30
    blue: ReleasePart
    green: ReleasePart
    block: int
    """The target's epoch when it was armed or later: it names the block."""
    not_undone: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()
    channels: tuple[Channel, ...] = ()
    by_hand: tuple[Step, ...] = ()
    issued_at: datetime
    expires_at: datetime
    worker: str = ""
    host: str = ""

    @property
    def epoch(self) -> int:
        """What break-glass writes with: the highest number of the block."""
        return top_of(self.block)

    @property
    def weights(self) -> Weights:
        return Weights.all_to(Side.BLUE)

    @property
    def releases(self) -> dict[Side, Release]:
        return {
            Side.BLUE: Release(self.blue.version, self.blue.digest),
            Side.GREEN: Release(self.green.version, self.green.digest),
        }

    def expired_for(self, now: datetime) -> timedelta | None:
        """How long ago it ran out on this machine's clock; None while it is good."""
        return now - self.expires_at if now > self.expires_at else None

    def says_the_same(self, other: "Order") -> bool:
        """True if only the times of renewal differ."""
        fresh = {"issued_at": self.issued_at, "expires_at": self.expires_at}
        return other.model_copy(update=fresh) == self
