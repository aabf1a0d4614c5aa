"""What the Switch page shows. One dataclass a fragment; `versions` are those read in the transaction that made it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.capsule import Order
from app.domain.operations import Kind, State
from app.domain.plan_parts import Contact

Act = Literal["before", "switch", "rollback"]
"""Which part of the day the page shows; its layout follows."""

StageState = Literal["wait", "run", "done", "failed"]
ClockStage = Literal["running", "verified", "escalated", "ended"]
ControlStage = Literal["closed", "armed", "sent"]
LineState = Literal["wait", "run", "ok", "warn", "crit", "unknown"]


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation as recorded, with what was measured. Seconds count from the press; None: not reached.

    `customers` is (failed, requests) of real customers since the press, None where nobody counts them.
    """

    id: int
    kind: Kind
    state: State
    epoch: int
    attempt: int
    side: str
    version: str
    who: str
    cause: str
    reason: str
    clicked_at: datetime
    is_running: bool
    accepted_s: float | None
    observed_95_s: float | None
    observed_99_s: float | None
    observed_100_s: float | None
    verified_s: float | None
    finished_at: datetime | None
    escalated_at: datetime | None
    guard_until: datetime | None
    probes_agreeing: int
    probes_total: int
    customers: tuple[int, int] | None
    takeovers: int

    @property
    def title(self) -> str:
        return f"{self.kind.value} to {self.side}"

    @property
    def marks(self) -> tuple[tuple[str, float | None], ...]:
        """The moments of the operation axis in their order: a probe can see the new side before the balancer's own
        answer is in. What was not reached comes last."""
        rows = (
            ("click", 0.0),
            ("accepted", self.accepted_s),
            ("95 % observed", self.observed_95_s),
            ("99 %", self.observed_99_s),
            ("100 % observed", self.observed_100_s),
        )
        return tuple(sorted(rows, key=lambda row: math.inf if row[1] is None else row[1]))


@dataclass(frozen=True, slots=True)
class StateView:
    """The h1 sentence that names the state and the next move. `link` is (words, address) of that move, if elsewhere."""

    eyebrow: str
    title: str
    text: str
    link: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class OperationPanel:
    """Axis and figures. `chip` is (state, word). `refusal` lists the lines that said no: (title, found, proof)."""

    operation: OperationView
    chip: tuple[str, str]
    kpis: tuple[tuple[str, str], ...]
    refusal: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class StripLine:
    title: str
    state: LineState
    proof: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True)
class StripStage:
    """`at` is "T−5", "T+30"."""

    at: str
    title: str
    state: StageState
    checks: tuple[StripLine, ...]


@dataclass(frozen=True, slots=True)
class StripView:
    hint: str
    stages: tuple[StripStage, ...]


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """`state` is one of wait, run, ok, crit, unknown; `second` since the press ("6.1 s"), empty while open."""

    key: str
    state: LineState
    question: str
    proof: str = ""
    found: str = ""
    second: str = ""


@dataclass(frozen=True, slots=True)
class CriteriaView:
    rows: tuple[CriterionRow, ...]
    within_s: float

    @property
    def good(self) -> int:
        return sum(row.state == "ok" for row in self.rows)


@dataclass(frozen=True, slots=True)
class ClockView:
    """The rollback's clock, and what people do meanwhile. `frozen_s` is where the clock stopped; None while it runs.
    `call` is the person to escalate to; `customers` are rows of (term, value), `links` of (words, address)."""

    stage: ClockStage
    clicked_at: datetime
    due_at: datetime
    frozen_s: float | None
    within_s: float
    call: Contact | None
    guard_until: datetime | None
    customers: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]

    @property
    def is_bad(self) -> bool:
        return self.stage in ("escalated", "ended")


@dataclass(frozen=True, slots=True)
class MovedView:
    """What is moved, as far as the balancer tells: rows of (term, value)."""

    chip: tuple[str, str]
    rows: tuple[tuple[str, str], ...]
    not_undone: tuple[str, ...]
    blue_stays: str


@dataclass(frozen=True, slots=True)
class ProofLine:
    """A question that the way back stands on. `state` is one of ok, crit, unknown, warn (open, and does not refuse)."""

    state: LineState
    title: str
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class WayBackView:
    """The readiness light. `drill_s` is how long the last rollback of this target took; None: there was none yet."""

    chip: tuple[str, str]
    lines: tuple[ProofLine, ...]
    proof_age_s: float | None
    drill_s: float | None
    card_url: str
    is_armed: bool


@dataclass(frozen=True, slots=True)
class BreakGlassRun:
    """One use of break-glass; `lines` are (when, what), by the clock of the machine it was used on."""

    run: str
    who: str
    host: str
    reason: str
    started_at: datetime
    ending: str
    lines: tuple[tuple[datetime, str], ...]


@dataclass(frozen=True, slots=True)
class BreakGlassView:
    """The runs that nobody acknowledged yet. `holders` are those who may."""

    url: str
    runs: tuple[BreakGlassRun, ...]
    may_acknowledge: bool
    holders: tuple[str, ...]
    zone: str


@dataclass(frozen=True, slots=True)
class CardView:
    """The console-failure card. Before arming the epoch is the one that arming will begin."""

    order: Order
    is_armed: bool
    command: str
    needs_nothing: str
    where_traffic_is: str
    now: datetime


@dataclass(frozen=True, slots=True)
class LiveView:
    """Everything on the Switch page but the control and the metrics, refreshed as one: a step of an operation changes
    most of it. A part that does not belong to the act is None. `is_polled`: armed, where T−5 shows what would be found
    now, and most findings are nobody's event. `history` are the other operations, newest first."""

    url: str
    act: Act
    is_polled: bool
    state: StateView
    operation: OperationPanel | None
    strip: StripView | None
    criteria: CriteriaView | None
    clock: ClockView | None
    moved: MovedView
    way_back: WayBackView | None
    break_glass: BreakGlassView | None
    history: tuple[OperationView, ...]
    zone: str
    now: datetime
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ControlView:
    """The guarded switch. `stage`: closed (not armed), armed, sent (an operation of this attempt moved traffic).

    `why_closed` is the page's sentence while it is closed; `reason` closes the press; `may_switch` is the position's
    right; `holders` are those who have it; `error` stands at the tick.
    """

    url: str
    stage: ControlStage
    may_switch: bool
    holders: tuple[str, ...]
    statement: str
    who: str
    gate: str
    why_closed: str
    reason: str
    is_stepped_up: bool
    step_up_until: datetime
    step_up_url: str
    blue_version: str
    green_version: str
    is_live_mode: bool
    zone: str
    versions: Mapping[str, int]
    error: str = ""
