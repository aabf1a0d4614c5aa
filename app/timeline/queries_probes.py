"""What the probes saw, minute by minute; quiet minutes in a row become one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import ProbeSummary

MINUTE = timedelta(minutes=1)
LONGEST = timedelta(hours=24)
"""Summaries further back than this from the newest line of a page are left out."""
QUIET_RUN = 10
"""So many minutes in a row that saw one side only and no failure are told in one line."""


@dataclass(frozen=True, slots=True)
class Run:
    """Probes of one minute or of several, by what came back. `last` is the start of the last minute."""

    first: datetime
    last: datetime
    blue: int
    green: int
    unknown: int
    failed: int
    slowest_ms: float

    @property
    def total(self) -> int:
        return self.blue + self.green + self.unknown + self.failed

    @property
    def side(self) -> str:
        """The one side that answered every probe, or empty."""
        if self.failed or self.unknown or (self.blue and self.green) or not self.total:
            return ""
        return "BLUE" if self.blue else "GREEN"

    @property
    def state(self) -> str:
        if self.failed and self.failed == self.total:
            return "crit"
        return "warn" if self.failed or self.unknown else ""

    def joined(self, later: "Run") -> "Run":
        return Run(
            self.first,
            later.last,
            self.blue + later.blue,
            self.green + later.green,
            self.unknown + later.unknown,
            self.failed + later.failed,
            max(self.slowest_ms, later.slowest_ms),
        )


async def minutes(session: AsyncSession, target: str, oldest: datetime, newest: datetime) -> list[Run]:
    """The minutes between two moments in which there were probes, oldest first."""
    minute = func.date_trunc("minute", ProbeSummary.second).label("minute")
    told = (ProbeSummary.blue, ProbeSummary.green, ProbeSummary.unknown, ProbeSummary.failed)
    counts = [func.sum(column) for column in told]
    rows = await session.execute(
        select(minute, *counts, func.max(ProbeSummary.slowest_ms))
        .where(
            ProbeSummary.target == target,
            ProbeSummary.second >= max(oldest, newest - LONGEST),
            ProbeSummary.second <= newest,
        )
        .group_by(minute)
        .order_by(minute)
    )
    return [
        Run(first, first, int(blue), int(green), int(unknown), int(failed), float(slowest))
        for first, blue, green, unknown, failed, slowest in rows.all()
    ]


def runs(found: Sequence[Run], events: Sequence[datetime]) -> list[Run]:
    """Quiet stretches as one line each, where nothing else happened meanwhile; every other minute on its own."""
    told: list[Run] = []
    stretch: list[Run] = []
    busy = {moment.replace(second=0, microsecond=0) for moment in events}

    def close() -> None:
        if len(stretch) >= QUIET_RUN:
            whole = stretch[0]
            for minute in stretch[1:]:
                whole = whole.joined(minute)
            told.append(whole)
        else:
            told.extend(stretch)
        stretch.clear()

    for minute in found:
        goes_on = stretch and minute.side == stretch[-1].side and minute.first - stretch[-1].last == MINUTE
        if not goes_on or not minute.side or minute.first in busy:
            close()
        stretch.append(minute)
    close()
    return told


def sentence(run: Run, zone: ZoneInfo) -> str:
    """ "Probes 14:10: 240 of 240 on GREEN, 0 failed"."""
    first, last = run.first.astimezone(zone), run.last.astimezone(zone)
    when = f"{first:%H:%M}" if run.first == run.last else f"{first:%H:%M} to {last:%H:%M}"
    parts = [f"{count:,} on {side}" for side, count in (("GREEN", run.green), ("BLUE", run.blue)) if count]
    seen = parts[0].replace(" on ", f" of {run.total:,} on ", 1) if parts else f"0 of {run.total:,} answered"
    unknown = f", {run.unknown:,} from an unknown release" if run.unknown else ""
    return f"Probes {when}: {', '.join((seen, *parts[1:]))}{unknown}, {run.failed:,} failed"


async def dark_seconds(session: AsyncSession, target: str, since: datetime) -> int:
    """Seconds since a moment in which probes were sent and none was answered."""
    statement = select(func.count()).where(
        ProbeSummary.target == target,
        ProbeSummary.second >= since,
        ProbeSummary.failed > 0,
        ProbeSummary.blue + ProbeSummary.green + ProbeSummary.unknown == 0,
    )
    return (await session.execute(statement)).scalar_one()
