"""The mission bar's view model: one for every page of a deployment, read by _mission, _guard and _banner."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from app.domain.sides import Side
from app.web.access import Viewer
from app.web.decision import DecisionView

Health = Literal["ok", "warn", "crit", "unknown"]
GuardState = Literal["hidden", "unarmed", "ready", "hot", "sent", "not_ready", "done"]


@dataclass(frozen=True, slots=True)
class TrafficView:
    """Shares in percent: as the probes saw them `age_s` seconds ago, and as they are set. None is unknown."""

    observed_blue: int | None
    observed_green: int | None
    observed_age_s: float | None
    set_blue: int | None
    set_green: int | None
    split_note: str = ""
    """The chip of a half-done move ("LB moved, DNS pending"); empty when all agree."""


@dataclass(frozen=True, slots=True)
class HealthView:
    """The worst thing there is and how many ("1 critical"); "Normal" when `state` is ok."""

    state: Health
    word: str


@dataclass(frozen=True, slots=True)
class GuardView:
    """The guarded rollback.

    hidden: this person may not press it. unarmed: nothing to roll back yet. ready: lift and press. hot: a trigger
    runs. not_ready: it can be pressed, but the last proof is old or failed, and `note` says which. sent: pressed,
    on its way. done: on BLUE. Only ready, hot and not_ready have a cover.
    """

    state: GuardState
    title: str = "Roll back…"
    note: str = ""
    action_url: str = ""
    from_side: Side = Side.GREEN
    to_side: Side = Side.BLUE
    from_version: str = ""
    to_version: str = ""
    takes: str = ""
    """How long it is expected to take and why one thinks so ("about 1 s (last drill 0.9 s)")."""
    blue_health: str = ""
    """A sentence part with its age ("healthy, 2 of 2 checks, 4 s ago")."""
    blue_is_healthy: bool = True
    not_undone: tuple[str, ...] = ()
    button: str = "Roll back to BLUE"
    """"Roll back although BLUE is unhealthy" where `blue_is_healthy` is false."""
    proof_age_s: float | None = None
    """How old the proof of the way back is, while it is proven; stands before `note` and ticks."""
    fires_at: datetime | None = None
    """When a running automatic trigger will press it by itself (state hot)."""

    @property
    def has_cover(self) -> bool:
        return self.state in ("ready", "hot", "not_ready")


@dataclass(frozen=True, slots=True)
class LinkView:
    title: str
    url: str
    icon: str = ""


@dataclass(frozen=True, slots=True)
class LivingText:
    """ "Error rate on GREEN" 2.6 "%" "above 2 % for" 46 "s of 120 s.": a reading by its key in the stream, and the
    seconds since a moment; either may be missing."""

    before: str
    reading: tuple[str, str, str] | None = None
    """Key in the stream, its text now, its unit."""
    between: str = ""
    since: datetime | None = None
    after: str = ""


@dataclass(frozen=True, slots=True)
class BannerView:
    """The one worst alarm. `key` tells two alarms apart, so that each is spoken once.

    `started_at` and `ends_at` draw the bar of a countdown; both or neither. `more` counts the alarms behind this one.
    """

    state: Literal["crit", "warn"]
    key: str
    title: str
    text: str
    action: LinkView | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    more: int = 0
    living: LivingText | None = None
    """In place of `text`: a sentence whose numbers go on living."""
    quiet: LinkView | None = None
    """A second way, less loud than `action`."""
    counts_to: datetime | None = None
    """The title ends with the time left until then, and says 60, 30 and 10 s."""


@dataclass(frozen=True, slots=True)
class FreezeLine:
    """A change freeze in force; `patches` counts emergency patches that wait for an answer."""

    since: datetime
    until: datetime
    reason: str
    patches: int = 0


@dataclass(frozen=True, slots=True)
class MissionView:
    """Everything above the tabs. `t_zero` is the moment of the switch, else its planned time, else None.

    `versions` are the versions of the topics the bar was rendered from; `phase_label` is "Phase 4 of 6",
    `phase_state` "Production: switch"; `zone` an IANA name and `zone_label` its short name on that day ("ET").
    """

    mode: Literal["live", "rehearsal"]
    deployment_id: int
    title: str
    blue_version: str
    green_version: str
    phase_label: str
    phase_state: str
    zone: str
    zone_label: str
    server_time: datetime
    t_zero: datetime | None
    traffic: TrafficView
    health: HealthView
    guard: GuardView
    banner: BannerView | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    decision: DecisionView | None = None
    """The open decision point."""
    hand: str = ""
    """Who has the hand on the rollback, by name; empty: nobody may roll back."""
    freeze: FreezeLine | None = None

    def asks(self, viewer: Viewer) -> bool:
        """Whether this person may answer the open decision point."""
        return self.decision is not None and viewer.person_id in self.decision.people

    @property
    def url(self) -> str:
        return f"/d/{self.deployment_id}"
