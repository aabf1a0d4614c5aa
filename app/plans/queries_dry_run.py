"""A phase of a plan played through, as the dry-run page and the command line show it."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.domain.dry_run import DryRun, Happening, dry_run, planned_start
from app.domain.plan import Plan
from app.plans.queries_phases import span
from app.plans.views_versions import DryRow, DryRunView
from app.web.access import NotFound
from app.web.figures import MINUS

WORDS = {
    "start": "Start",
    "votes": "Votes",
    "checklist": "Checklist",
    "mark": "Timeline",
    "canary": "Canary",
    "switch": "Switch",
    "strip": "Strip",
    "decision": "Decision",
    "daily": "Daily",
    "end": "End",
}


def run_of(plan: Plan, phase_key: str, now: datetime, day: date | None = None) -> DryRun:
    """A phase's dry run on its planned day, or on `day` (today) where the plan leaves the day open; production where
    no phase is named. Raises NotFound."""
    key = phase_key or plan.production.key
    today = day or now.astimezone(ZoneInfo(plan.timezone)).date()
    try:
        return dry_run(plan, key, planned_start(plan, key, today))
    except KeyError:
        raise NotFound("There is no such phase in this plan.") from None


def dry_run_view(plan: Plan, digest: str, run: DryRun) -> DryRunView:
    return DryRunView(
        key=plan.key,
        hash=digest,
        title=plan.title,
        zone=run.zone,
        number=run.phase.number,
        phase=run.phase.key,
        phase_title=run.phase.title,
        start=run.start,
        length=span(run.phase.duration_s),
        rows=tuple(_rows(run)),
        phases=tuple((phase.key, f"{phase.number} {phase.title}") for phase in plan.phases),
        is_cut=run.is_cut,
        has_day=bool(run.phase.schedule.day),
    )


def _rows(run: DryRun) -> list[DryRow]:
    zone = ZoneInfo(run.zone)
    rows: list[DryRow] = []
    day: date | None = None
    for happening in run.happenings:
        moment = run.moment(happening)
        local = moment.astimezone(zone).date()
        rows.append(_row(happening, moment, is_new_day=local != day))
        day = local
    return rows


def _row(happening: Happening, moment: datetime, *, is_new_day: bool) -> DryRow:
    return DryRow(
        at_s=happening.at_s,
        moment=moment,
        offset=offset(happening.at_s),
        kind=happening.kind,
        word=WORDS[happening.kind],
        text=happening.text,
        who=happening.who,
        is_new_day=is_new_day,
    )


def offset(seconds: float) -> str:
    """Time from the start of the phase: "−0:30:00", "+0:10:05", "+2 days 3:00:00"."""
    left = abs(round(seconds))
    days, rest = divmod(left, 86400)
    clock = f"{rest // 3600}:{rest % 3600 // 60:02}:{rest % 60:02}"
    before = f"{days}\u00a0day{'s' if days > 1 else ''} " if days else ""
    return f"{MINUS if seconds < 0 else '+'}{before}{clock}"
