"""When each phase is planned: the plan's days and times of day, in its zone, around the start of production."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.domain.plan import Phase, Plan


def planned_times(plan: Plan, production_start: datetime) -> Mapping[str, datetime | None]:
    """Planned start of each phase by its key, in UTC; None for a rollback, which nobody plans.

    A phase with a day has it. One with only a time of day is planned on the last day on which it ends before the next
    phase starts (after production: on the first day on which it starts after the one before it ended). One with
    neither joins its neighbour without a gap. Days count in the plan's zone, so that 10:00 is 10:00 on both DST days.
    """
    zone = ZoneInfo(plan.timezone)
    order = [phase for phase in plan.phases if phase.kind != "rollback"]
    at = order.index(plan.production)
    found: dict[str, datetime | None] = {phase.key: None for phase in plan.phases}
    found[plan.production.key] = production_start
    limit = production_start
    for phase in reversed(order[:at]):
        start = _fixed(phase, zone) or _before(phase, limit, zone)
        found[phase.key] = limit = start
    limit = production_start + timedelta(seconds=plan.production.duration_s)
    for phase in order[at + 1 :]:
        start = _fixed(phase, zone) or _after(phase, limit, zone)
        found[phase.key] = start
        limit = start + timedelta(seconds=phase.duration_s)
    return found


def local(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """A local day and time as UTC. A time that the clocks skip in spring comes as much later as they skip; one that
    they show twice in autumn is the first."""
    return datetime.combine(day, clock, zone).astimezone(UTC)


def _fixed(phase: Phase, zone: ZoneInfo) -> datetime | None:
    schedule = phase.schedule
    if not schedule.day:
        return None
    return local(date.fromisoformat(schedule.day), _clock(phase) or time(), zone)


def _clock(phase: Phase) -> time | None:
    return time.fromisoformat(phase.schedule.time) if phase.schedule.time else None


def _before(phase: Phase, limit: datetime, zone: ZoneInfo) -> datetime:
    clock, length = _clock(phase), timedelta(seconds=phase.duration_s)
    if clock is None:
        return limit - length
    day = (limit - length).astimezone(zone).date()
    start = local(day, clock, zone)
    return start if start + length <= limit else local(day - timedelta(days=1), clock, zone)


def _after(phase: Phase, limit: datetime, zone: ZoneInfo) -> datetime:
    clock = _clock(phase)
    if clock is None:
        return limit
    day = limit.astimezone(zone).date()
    start = local(day, clock, zone)
    return start if start >= limit else local(day + timedelta(days=1), clock, zone)
