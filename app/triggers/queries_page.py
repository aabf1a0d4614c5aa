"""The triggers page: every trigger with its state, limit and progress, and the newest alerts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Unpack

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Alert, Deployment
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.domain.triggers import Stage
from app.eventlog.log import versions_of
from app.triggers.commands import may_raise
from app.triggers.queries import CRITICAL, FIRING, Standing, is_of_production, standings
from app.triggers.queries_banner import asked_by
from app.triggers.queries_words import limit_of, paused, seconds, value_of
from app.triggers.views import AlertMark, AlertRow, HoldView, Mark, RaiseSent, RaiseView, TriggerCard, TriggersView
from app.web.access import Scope
from app.web.figures import hm, hms, plain

ALERTS = 8

_WORDS: Mapping[Stage, tuple[Mark, str]] = {
    Stage.OFF: ("wait", "Not armed"),
    Stage.UNKNOWN: ("unknown", "UNKNOWN"),
    Stage.QUIET: ("ok", "Armed, quiet"),
    Stage.BREACHING: ("crit", "IN BREACH"),
    Stage.HELD: ("hold", "HELD"),
    Stage.RECOMMENDED: ("crit", "RECOMMENDED"),
    Stage.FIRED: ("crit", "FIRED"),
}


async def triggers_view(session: AsyncSession, scope: Scope) -> TriggersView:
    versions = await versions_of(session, scope.id)
    now = await database_now(session)
    deployment = await session.get_one(Deployment, scope.id, populate_existing=True)
    found = await standings(session, deployment, scope.plan, now)
    title, advice = _headline(found, scope.plan)
    return TriggersView(
        headline=title,
        advice=advice,
        cards=tuple(_card(scope, standing, now) for standing in found),
        alerts=await _alerts(session, scope),
        zone=scope.plan.timezone,
        now=now,
        is_armed=any(standing.ground.armed_since for standing in found),
        versions=versions,
        url=f"/d/{scope.id}/triggers/_list",
    )


def raise_view(scope: Scope, **sent: Unpack[RaiseSent]) -> RaiseView | None:
    """The form of who may report something; None for everybody else."""
    mine = [trigger for trigger in scope.plan.triggers if may_raise(trigger, scope.positions)]
    if not mine or not scope.may("raise_alert"):
        return None
    is_one = len(mine) == 1
    effects = {trigger.mode for trigger in mine}
    effect = "While GREEN is in service this rolls back to BLUE at once, by itself."
    if "automatic" not in effects:
        effect = "While GREEN is in service this recommends a rollback, loudly."
    return RaiseView(
        action=f"/d/{scope.id}/triggers/raise",
        options=tuple((trigger.key, trigger.title) for trigger in mine),
        title=mine[0].title if is_one else f"{scope.seat_title} reports a failure",
        effect=f"{effect} Before the switch it is only recorded.",
        button=f"Report: {mine[0].title}" if is_one else "Report the failure",
        **sent,
    )


def _headline(found: Sequence[Standing], plan: Plan) -> tuple[str, str]:
    stages = [standing.stage for standing in found if standing.trigger.kind != "button"]
    number = len(found)
    if Stage.FIRED in stages:
        first = next(standing for standing in found if standing.stage is Stage.FIRED)
        at = hms(first.row.fired_at, plan.timezone) if first.row else ""
        return (
            f"A trigger rolled back at {at}.",
            "It stays fired for this attempt: nothing is switched again by itself.",
        )
    if Stage.RECOMMENDED in stages:
        return "A rollback is recommended.", "Nothing happens by itself. Whoever may roll back decides now."
    if Stage.BREACHING in stages or Stage.HELD in stages:
        count = sum(stage in (Stage.BREACHING, Stage.HELD) for stage in stages)
        return (
            f"{count} of {number} triggers {'is' if count == 1 else 'are'} in breach.",
            "Whoever may roll back can do so at once; an automatic one presses by itself when its time is up.",
        )
    if all(stage is Stage.OFF for stage in stages):
        why = next((standing.found.why for standing in found if standing.found.why), "no switch yet")
        return (
            f"Triggers are not armed: {why}.",
            "They are armed from the moment a switch is accepted until its rollback.",
        )
    if Stage.UNKNOWN in stages:
        dark = sum(stage is Stage.UNKNOWN for stage in stages)
        return (
            f"{dark} of {number} triggers see nothing.",
            "UNKNOWN is not healthy: find the samples, or roll back.",
        )
    return f"{number} triggers are armed and quiet.", "Nothing to do. A breach shows on every page, with its countdown."


def _card(scope: Scope, standing: Standing, now: datetime) -> TriggerCard:
    plan, rule, found, trigger = scope.plan, standing.rule, standing.found, standing.trigger
    mark, word = _WORDS[standing.stage]
    if trigger.kind == "button":
        mark, word = ("ok", "Ready") if standing.ground.armed_since else ("wait", "Not armed")
    return TriggerCard(
        key=rule.key,
        title=trigger.title,
        limit=limit_of(plan, rule),
        mode="by a person" if trigger.kind == "button" else "automatic" if rule.is_automatic else "recommends",
        mark=mark,
        word=word,
        value=value_of(plan, rule, found),
        share=_share(standing),
        progress=_progress(standing),
        sample_at=found.newest.at if found.newest else None,
        coverage=_coverage(standing),
        why=_why(standing, plan, now),
        fires_at=found.fires_at if standing.stage is Stage.BREACHING else None,
        hold=_hold(scope, standing, now),
    )


def _share(standing: Standing) -> float | None:
    """How far on its scale a breach has come; None where there is nothing to count."""
    found, trigger = standing.found, standing.trigger
    if standing.ground.armed_since is None or trigger.kind == "button":
        return None
    if standing.rule.is_sustained:
        return min(1.0, found.progress_s / trigger.sustained_s)
    return min(1.0, found.in_a_row / trigger.failing_checks)


def _progress(standing: Standing) -> str:
    if _share(standing) is None:
        return ""
    if standing.rule.is_sustained:
        return f"{seconds(standing.found.progress_s)} of {seconds(standing.trigger.sustained_s)}"
    return f"{min(standing.found.in_a_row, standing.trigger.failing_checks)} of {standing.trigger.failing_checks}"


def _coverage(standing: Standing) -> str:
    """ "98 % of the samples there, 80 % needed": only of a breach, because nothing else is measured by it."""
    covered = standing.found.coverage
    if covered is None:
        return ""
    return f"{plain(100 * covered)} % of the samples there, {plain(100 * standing.trigger.coverage)} % needed"


def _why(standing: Standing, plan: Plan, now: datetime) -> str:
    row, found = standing.row, standing.found
    match standing.stage:
        case Stage.FIRED:
            return f"At {hms(row.fired_at, plan.timezone)}: {row.found}." if row else ""
        case Stage.RECOMMENDED:
            stands = "" if found.is_in_breach else " It has recovered since."
            about = f" {found.why[:1].upper()}{found.why[1:]}." if found.why else ""
            return f"{row.found[:1].upper()}{row.found[1:]}.{about}{stands}" if row else found.why
        case Stage.HELD:
            return f"Held until {hm(standing.held_until, plan.timezone)} by {row.held_by}." if row else ""
        case Stage.OFF:
            return f"{found.why[:1].upper()}{found.why[1:]}." if found.why else ""
        case Stage.UNKNOWN:
            return "No sample to rely on. UNKNOWN neither fires nor counts as healthy."
        case _:
            return paused(found, now).strip() or (f"{found.why}." if found.why else "")


def _hold(scope: Scope, standing: Standing, now: datetime) -> HoldView | None:
    """Whether this person can ask, confirm or end a hold."""
    if standing.stage not in (Stage.BREACHING, Stage.HELD) or not standing.rule.is_automatic:
        return None
    if not (scope.may("rollback") or scope.may("hold")):
        return None
    base = f"/d/{scope.id}/triggers/{standing.rule.key}"
    if standing.stage is Stage.HELD:
        text = "Then it is armed again, and rolls back at once if the breach still stands."
        return HoldView(text, release=f"{base}/release", release_button="Let it count again")
    asked = asked_by(standing, now)
    if not asked:
        text = "Holding stops the automatic rollback for 5 min. It takes two people of two positions."
        return HoldView(text, f"{base}/hold", "Ask to hold it")
    row = standing.row
    if row is not None and row.hold_asked_person == scope.viewer.person_id:
        text = "You asked to hold it. The countdown goes on until somebody of another position confirms."
        return HoldView(text, release=f"{base}/release", release_button="Take it back")
    if row is not None and not set(scope.positions_that_may("rollback", "hold")) - {row.hold_asked_position}:
        return HoldView(f"{asked} asks to hold it. Somebody of another position than yours must confirm.")
    return HoldView(f"{asked} asks to hold it: confirm?", f"{base}/hold", "Confirm: hold it for 5 min")


async def _alerts(session: AsyncSession, scope: Scope) -> tuple[AlertRow, ...]:
    mine = (Alert.deployment_id == scope.id) & is_of_production()
    statement = select(Alert).where(mine).order_by(Alert.id.desc()).limit(ALERTS)
    titles = {trigger.key: trigger.title for trigger in scope.plan.triggers}
    return tuple(_alert_row(alert, titles) for alert in await session.scalars(statement))


def _alert_row(alert: Alert, titles: Mapping[str, str]) -> AlertRow:
    is_grave = alert.state == FIRING and alert.severity == CRITICAL
    about = (
        titles.get(alert.trigger, "")
        if alert.trigger
        else ", ".join(part for part in (alert.severity, alert.category) if part)
    )
    note = f"{about}; {alert.state}" if alert.state != FIRING else about
    state: AlertMark = "crit" if is_grave else "warn" if alert.state == FIRING else "wait"
    return AlertRow(alert.id, alert.received_at, alert.name, alert.raised_by or alert.source, state, note)
