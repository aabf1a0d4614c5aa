"""The countdown on every page of the deployment, and on the wall: the most urgent trigger. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.domain.plan import Plan
from app.domain.triggers import ASK_STANDS_FOR, Stage
from app.triggers.queries import Standing
from app.triggers.queries_words import cause_of, paused, running
from app.web.figures import SPACE, hm, plain, quantity
from app.web.mission import BannerView, LinkView, LivingText

UNEVEN_S = 2.0
"""A progress that differs from the time passed by more is told as it is, not as a running clock."""


def asked_by(standing: Standing, now: datetime) -> str:
    """Who asks to hold it and waits for a second; empty if nobody does."""
    row = standing.row
    if row is None or row.hold_asked_at is None or now - row.hold_asked_at > ASK_STANDS_FOR:
        return ""
    return row.hold_asked_by


def starts_at(standing: Standing) -> datetime | None:
    """Where the bar of a running countdown begins: it is full when the trigger fires."""
    fires_at = standing.found.fires_at
    if fires_at is None:
        return None
    if standing.stage is Stage.HELD:
        return standing.row.since if standing.row else None
    return fires_at - timedelta(seconds=standing.trigger.sustained_s)


def banner_of(
    standings: Sequence[Standing], plan: Plan, deployment_id: int, now: datetime, *, may_roll_back: bool, may_hold: bool
) -> BannerView | None:
    """The one banner of all triggers in breach; `more` counts the others."""
    if not standings:
        return None
    standing = standings[0]
    more = len(standings) - 1
    page = f"/d/{deployment_id}/triggers"
    back = LinkView("Roll back now", "#rollback-cover", "back") if may_roll_back else LinkView("All triggers", page)
    key = f"trigger:{standing.rule.key}:{standing.stage}:{standing.row.since.isoformat() if standing.row else ''}"
    if standing.stage is Stage.HELD:
        return _held(standing, plan, key, back, more)
    if standing.stage is Stage.RECOMMENDED:
        said = cause_of(plan, standing.rule, standing.found)
        why = f" {standing.found.why[:1].upper()}{standing.found.why[1:]}." if standing.found.why else ""
        text = f"{said[:1].upper()}{said[1:]}.{why} Nothing happens by itself: somebody must decide."
        return BannerView("crit", key, "ROLLBACK RECOMMENDED", text, back, more=more)
    quiet, asked = None, asked_by(standing, now)
    text = f"{asked} asks to hold it: a second position must confirm." if asked else ""
    if may_hold and standing.rule.is_automatic:
        quiet = LinkView("Confirm the hold…" if asked else "Hold it…", f"{page}#hold-{standing.rule.key}")
    fires_at = standing.found.fires_at
    sentence = living(standing, plan, now)
    if fires_at is None:
        said = running(plan, standing.rule, standing.found, now)
        title = "ROLLBACK COUNTDOWN STANDS" if standing.rule.is_automatic else "ROLLBACK MAY BE RECOMMENDED"
        return BannerView("crit", key, title, f"{said} {text}".strip(), back, more=more, quiet=quiet)
    if sentence is None:
        text = f"{running(plan, standing.rule, standing.found, now)} {text}".strip()
    return BannerView(
        "crit",
        key,
        "ROLLBACK IN",
        text,
        back,
        starts_at(standing),
        fires_at,
        more=more,
        living=sentence,
        quiet=quiet,
        counts_to=fires_at,
    )


def _held(standing: Standing, plan: Plan, key: str, back: LinkView, more: int) -> BannerView:
    row = standing.row
    by = row.held_by if row else ""
    said = cause_of(plan, standing.rule, standing.found)
    until = hm(standing.held_until, plan.timezone)
    text = f"Held until {until} by {by}: {said}. Then it rolls back at once if the breach still stands."
    title = "AUTOMATIC ROLLBACK HELD, armed again in"
    return BannerView(
        "warn",
        key,
        title,
        text,
        back,
        starts_at(standing),
        standing.found.fires_at,
        more,
        counts_to=standing.held_until,
    )


def living(standing: Standing, plan: Plan, now: datetime) -> LivingText | None:
    """The running sentence, where its clock really runs: "Error rate on GREEN 2.6 %, above 2 % for 46 s of 120 s."."""
    rule, found = standing.rule, standing.found
    if rule.trigger.kind != "metric" or not rule.is_sustained or found.started_at is None or found.is_complete:
        return None
    if paused(found, now) or abs((now - found.started_at).total_seconds() - found.progress_s) > UNEVEN_S:
        return None
    metric = plan.metric(rule.trigger.metric or "")
    value = found.newest.value if found.newest else None
    return LivingText(
        before=f"{metric.title} on GREEN",
        reading=(f"readings.{metric.key}.GREEN", plain(value), metric.unit),
        between=f", above {quantity(rule.trigger.above, metric.unit)} for",
        since=found.started_at,
        after=f"of {plain(rule.trigger.sustained_s)}{SPACE}s.",
    )
