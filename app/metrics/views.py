"""What the wall, the metrics panel and the charts are drawn from. Frozen; no ORM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from app.domain.metrics import Verdict, worst
from app.domain.plan import Metric
from app.domain.sides import Side
from app.web.mission import LivingText, TrafficView

Point = tuple[float, float | None]
"""Seconds before now, and the worst value of that span; None where there was none to rely on."""

ChartPoint = tuple[float, float | None, float | None]
"""Unix seconds, BLUE, GREEN."""

CardState = Literal["ok", "warn", "crit", "unknown", "run", "hold"]


@dataclass(frozen=True, slots=True)
class ReadingNow:
    """The newest reading of a metric on a side. `at` and `age_s` are None where there never was one; `value` is what
    was read, also when the verdict says not to rely on it."""

    metric: str
    side: Side
    value: float | None
    samples: int
    at: datetime | None
    age_s: float | None
    verdict: Verdict

    @property
    def figure(self) -> float | None:
        """The value to show: None unless it can be relied on."""
        return None if self.verdict is Verdict.UNKNOWN else self.value


Readings = Mapping[tuple[str, Side], ReadingNow]


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric with both sides' newest readings and, on the wall, its last 15 minutes."""

    metric: Metric
    blue: ReadingNow
    green: ReadingNow
    trend_blue: tuple[Point, ...] = ()
    trend_green: tuple[Point, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return worst((self.blue.verdict, self.green.verdict))

    @property
    def limits(self) -> tuple[float, float]:
        return (self.metric.warning, self.metric.critical)

    @property
    def samples(self) -> str:
        """How many requests stand behind BLUE's and GREEN's value; empty for metrics that are not of requests. Never
        broken over two lines: one may break after "|" unless the next character is joined to it."""
        if not self.metric.minimum_samples:
            return ""
        return f"n\u00a0{self.blue.samples:,}\u00a0|\u2060\u00a0{self.green.samples:,}"

    @property
    def statistic(self) -> str:
        return f"{self.metric.statistic} · {self.samples}" if self.samples else self.metric.statistic


@dataclass(frozen=True, slots=True)
class WallBanner:
    """The wall's one headline. `started_at` and `ends_at` draw the bar of something that runs; both or neither.
    `aside` is a pair of small words and what stands large under them."""

    state: CardState
    title: str
    text: str
    aside: tuple[str, str] | None = None
    counts_to: datetime | None = None
    reading: tuple[str, str, str] | None = None
    """A value at the end of the title that goes on living: the stream's key, its text now, its unit."""
    started_at: datetime | None = None
    ends_at: datetime | None = None
    living: LivingText | None = None
    """Before `text`: a sentence whose numbers go on living."""
    title_until: datetime | None = None
    """The title ends with the time left until then."""


@dataclass(frozen=True, slots=True)
class CustomersCard:
    """Failed requests of real customers since T−0, or since the count began. None: nobody counts them."""

    failed: int | None
    requests: int | None
    since: str
    state: CardState = "ok"


@dataclass(frozen=True, slots=True)
class OperationCard:
    """The newest operation: what it took, or how long it has been running (`running_since`)."""

    title: str
    seconds: float | None
    note: str
    state: CardState = "ok"
    running_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class WallEvent:
    id: int
    at: datetime
    text: str
    who: str
    severity: str


@dataclass(frozen=True, slots=True)
class MetricsPanel:
    """BLUE next to GREEN: the rows, and the plan's decision line where something is critical on a side in service."""

    rows: tuple[MetricRow, ...]
    decisions: tuple[str, ...]
    newest_at: datetime | None
    now: datetime
    versions: Mapping[str, int]
    url: str


@dataclass(frozen=True, slots=True)
class HeadlineView:
    """The metrics page's h1 and the sentence under it."""

    title: str
    text: str
    versions: Mapping[str, int]
    url: str


@dataclass(frozen=True, slots=True)
class WallView:
    banner: WallBanner
    rows: tuple[MetricRow, ...]
    traffic: TrafficView
    traffic_note: str
    traffic_state: CardState
    customers: CustomersCard
    operation: OperationCard
    events: tuple[WallEvent, ...]
    zone: str
    zero_s: float | None
    """Seconds since T−0, where it lies within the trends."""
    now: datetime
    versions: Mapping[str, int] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, slots=True)
class ChartView:
    row: MetricRow
    points: tuple[ChartPoint, ...]
