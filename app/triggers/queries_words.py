"""What triggers say of themselves: numbers with their limits, one sentence each. Pure."""

from datetime import datetime

from app.domain.metrics import is_figure
from app.domain.plan import Plan
from app.domain.triggers import Judgement, Rule
from app.web.figures import age, plain, quantity, within

SIDE = "GREEN"


def seconds(value: float) -> str:
    """46.0 → "46 s": the whole seconds of a running count, never more than there are."""
    return quantity(float(int(value)), "s")


def limit_of(plan: Plan, rule: Rule) -> str:
    """ "above 2 % for 120 s", "2 failing checks in a row", "1 critical alert (security)"."""
    trigger = rule.trigger
    checks = f"{trigger.failing_checks} failing check{'s in a row' if trigger.failing_checks > 1 else ''}"
    match trigger.kind:
        case "metric":
            limit = f"above {quantity(trigger.above, plan.metric(trigger.metric or '').unit)}"
            return f"{limit} for {seconds(trigger.sustained_s)}" if rule.is_sustained else f"{limit}, {checks}"
        case "probe":
            return checks
        case "alert":
            kinds = f" ({', '.join(trigger.categories)})" if trigger.categories else ""
            number = trigger.failing_checks
            return f"{number} critical alert{'s' if number > 1 else ''}{kinds}"
        case "button":
            return "two presses, by whoever may roll back"


def value_of(plan: Plan, rule: Rule, found: Judgement) -> str:
    """The newest value to rely on: "2.6 %", "failed", "passed"; empty without one."""
    if found.newest is None or not is_figure(found.newest.value):
        return ""
    if rule.trigger.kind == "metric":
        return quantity(found.newest.value, plan.metric(rule.trigger.metric or "").unit)
    return "failed" if found.newest.value and found.newest.value > rule.above else "passed"


def cause_of(plan: Plan, rule: Rule, found: Judgement, detail: str = "") -> str:
    """What it fires on, with its numbers: "error rate on GREEN 2.6 %, above 2 % for 120 s"."""
    trigger = rule.trigger
    if trigger.kind != "metric":
        row = f"{found.in_a_row} in a row" if trigger.kind == "probe" and found.in_a_row > 1 else ""
        said = "; ".join(part for part in (row, detail) if part)
        return f"{within(trigger.title)}: {said}" if said else within(trigger.title)
    metric = plan.metric(trigger.metric or "")
    value = quantity(found.newest.value if found.newest else None, metric.unit)
    limit = quantity(trigger.above, metric.unit)
    if not rule.is_sustained:
        return f"{within(metric.title)} on {SIDE} {value}, above {limit}, {found.in_a_row} readings in a row"
    covered = f", {plain(100 * found.coverage)} % of the samples there" if found.coverage is not None else ""
    return f"{within(metric.title)} on {SIDE} {value}, above {limit} for {seconds(found.progress_s)}{covered}"


def running(plan: Plan, rule: Rule, found: Judgement, now: datetime) -> str:
    """ "Error rate on GREEN 2.6 %, above 2 % for 46 s of 120 s." and why its clock stands, if it does."""
    trigger = rule.trigger
    if trigger.kind != "metric":
        return f"{found.in_a_row} of {trigger.failing_checks}."
    metric = plan.metric(trigger.metric or "")
    value = quantity(found.newest.value if found.newest else None, metric.unit)
    text = f"{metric.title} on {SIDE} {value}, above {quantity(trigger.above, metric.unit)}"
    if rule.is_sustained:
        text += f" for {seconds(found.progress_s)} of {seconds(trigger.sustained_s)}"
    return f"{text}.{paused(found, now)}"


def paused(found: Judgement, now: datetime) -> str:
    """Why the clock stands; empty while it runs."""
    if not found.is_dark or found.newest is None:
        return ""
    return f" The clock stands: no reading to rely on for {age((now - found.newest.at).total_seconds())}."
