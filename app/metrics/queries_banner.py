"""The wall's one headline: the worst there is, or a calm sentence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db.tables import BreakGlass, Deployment, Operation, TargetState
from app.domain.deployments import AFTER_SWITCH_BEGAN, GONE_BACK, State
from app.domain.metrics import Verdict
from app.domain.operations import Kind
from app.domain.plan import Metric, Plan
from app.domain.plan_people import blue_stays, opening, votes_wanted, who_may
from app.domain.sides import Side
from app.domain.triggers import Stage
from app.metrics.views import MetricRow, ReadingNow, WallBanner
from app.triggers.queries import Standing
from app.triggers.queries_banner import living, starts_at
from app.triggers.queries_words import cause_of, running
from app.web.figures import age, hms, plain, quantity, within
from app.web.mission import BannerView, LivingText, TrafficView

Aside = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the headline is decided from. `zero` is T−0; `no_answer`: probes were sent and nobody answered."""

    deployment: Deployment
    plan: Plan
    rows: tuple[MetricRow, ...]
    traffic: TrafficView
    operation: Operation | None
    zero: datetime | None
    target: TargetState | None
    no_answer: bool
    now: datetime
    triggers: tuple[Standing, ...] = ()
    """Those in breach that were told, the most urgent first."""
    break_glass: BreakGlass | None = None
    """The newest use of break-glass that nobody has acknowledged."""
    asked_for: tuple[BannerView, ...] = ()
    """Open incidents and an open decision point, as the banner of every page has them."""

    @property
    def state(self) -> State:
        return State(self.deployment.state)

    def having(self, verdict: Verdict) -> list[tuple[Metric, ReadingNow]]:
        """Readings with a verdict; those of the side with more traffic come first."""
        green_first = (self.traffic.observed_green or self.traffic.set_green or 0) >= 50
        sides = (Side.GREEN, Side.BLUE) if green_first else (Side.BLUE, Side.GREEN)
        return [
            (row.metric, reading)
            for side in sides
            for row in self.rows
            for reading in (row.blue, row.green)
            if reading.side is side and reading.verdict is verdict
        ]


def headline(facts: Facts) -> WallBanner:
    """In the order of what matters most to a room of people."""
    found = _rollback_running(facts) or _trigger(facts) or _no_answer(facts) or _break_glass(facts)
    found = found or _asked_for(facts, "crit") or _critical(facts) or _unknown(facts)
    found = found or _switch_running(facts) or _on_hold(facts) or _asked_for(facts, "warn")
    return found or _warning(facts) or _normal(facts)


def _asked_for(facts: Facts, state: str) -> WallBanner | None:
    """Who is asked to decide, and for how long still; critical ones come before metrics, the others after."""
    view = next((each for each in facts.asked_for if each.state == state), None)
    if view is None:
        return None
    return WallBanner(
        view.state,
        view.title,
        view.text,
        started_at=view.started_at,
        ends_at=view.ends_at,
        title_until=view.counts_to,
    )


def _break_glass(facts: Facts) -> WallBanner | None:
    run = facts.break_glass
    if run is None:
        return None
    text = f"At {hms(run.started_at, facts.plan.timezone)} by {run.who} on {run.host}. It stands on the Switch page."
    return WallBanner("crit", "BREAK-GLASS WAS USED", text)


def _rollback_running(facts: Facts) -> WallBanner | None:
    operation = facts.operation
    if operation is None or operation.kind != Kind.ROLLBACK.value or operation.verified_at is not None:
        return None
    if operation.finished_at is not None:
        if operation.escalated_at is None:
            return None
        return WallBanner("crit", "ROLLBACK NOT VERIFIED", operation.reason or "Not all checks are YES.", _who(facts))
    rollback = facts.plan.production.rollback
    within_s = rollback.within_s if rollback else 30.0
    blue = facts.traffic.observed_blue
    seen, share = "Probes have no answer yet.", None
    if blue == 100:
        seen = "All traffic is on BLUE. The checks are running."
    elif blue is not None:
        seen, share = "", _share("blue", blue, " of traffic on BLUE, should be 100 %.")
    is_late = (facts.now - operation.clicked_at).total_seconds() > within_s
    aside = ("Not verified in time", "escalated") if is_late else None
    return WallBanner(
        "crit",
        "ROLLBACK RUNNING",
        seen,
        aside,
        started_at=operation.clicked_at,
        ends_at=operation.clicked_at + timedelta(seconds=within_s),
        living=share,
    )


def _share(side: str, percent: float, after: str) -> LivingText:
    """A share that goes on living beside the traffic's own card: the two must never say different things."""
    return LivingText("", (f"traffic.{side}", plain(percent), "%"), after)


def _trigger(facts: Facts) -> WallBanner | None:
    """The countdown of the most urgent trigger, or that it is held, or that somebody should roll back."""
    if not facts.triggers:
        return None
    standing = facts.triggers[0]
    found, fires_at = standing.found, standing.found.fires_at
    more = f" {len(facts.triggers) - 1} more." if len(facts.triggers) > 1 else ""
    if standing.stage is Stage.HELD:
        by = standing.row.held_by if standing.row else ""
        text = f"By {by}. Then it rolls back at once if the breach still stands.{more}"
        return WallBanner("warn", "ROLLBACK HELD, armed again in", text, _who(facts), title_until=standing.held_until)
    if standing.stage is Stage.RECOMMENDED:
        said = cause_of(facts.plan, standing.rule, found)
        return WallBanner("crit", "ROLLBACK RECOMMENDED", f"{said[:1].upper()}{said[1:]}.{more}", _who(facts))
    said = running(facts.plan, standing.rule, found, facts.now)
    if fires_at is None:
        return WallBanner("crit", "TRIGGER IN BREACH", f"{said}{more}", _who(facts))
    sentence = living(standing, facts.plan, facts.now)
    text = f"Automatic.{more}" if sentence else f"{said} Automatic.{more}"
    return WallBanner(
        "crit",
        "ROLLBACK IN",
        text,
        _who(facts),
        started_at=starts_at(standing),
        ends_at=fires_at,
        living=sentence,
        title_until=fires_at,
    )


def _no_answer(facts: Facts) -> WallBanner | None:
    if not facts.no_answer:
        return None
    return WallBanner(
        "crit", "NO ANSWER at the public address", "No probe of the last second was answered.", _who(facts)
    )


def _critical(facts: Facts) -> WallBanner | None:
    bad = facts.having(Verdict.CRITICAL)
    if not bad:
        return None
    metric, reading = bad[0]
    more = f" {len(bad) - 1} more critical." if len(bad) > 1 else ""
    title = f"CRITICAL: {reading.side} {within(metric.title)}"
    asked = "" if facts.state in GONE_BACK else f" {metric.decision}"
    text = f"Above {quantity(metric.critical, metric.unit)}.{asked}{more}"
    return WallBanner("crit", title, text, _who(facts), reading=_living(metric, reading))


def _unknown(facts: Facts) -> WallBanner | None:
    dark = facts.having(Verdict.UNKNOWN)
    if not dark:
        return None
    if len(dark) == 2 * len(facts.rows):
        newest = max((reading.at for _, reading in dark if reading.at), default=None)
        since = f"The last one was read {age((facts.now - newest).total_seconds())} ago. " if newest else ""
        return WallBanner("unknown", "UNKNOWN: no readings at all", f"{since}Nothing here counts as healthy.")
    sides = sorted({reading.side.value for _, reading in dark})
    titles = list(dict.fromkeys(within(metric.title) for metric, _ in dark))
    where = " and ".join(sides)
    what = f"{where} {titles[0]}" if len(titles) == 1 else f"{len(titles)} metrics of {where}"
    more = f"{', '.join(titles)}. " if len(titles) > 1 else ""
    text = f"{more}No reading to rely on; it does not count as healthy."
    return WallBanner("unknown", f"UNKNOWN: {what}", text[:1].upper() + text[1:])


def _switch_running(facts: Facts) -> WallBanner | None:
    operation = facts.operation
    if operation is None or operation.kind != Kind.SWITCH.value or operation.finished_at is not None:
        return None
    if operation.written_at is None:
        return WallBanner("run", "T−5: checking GREEN and the balancer", "Nothing is written before they pass.")
    if operation.observed_100_at is None:
        green = facts.traffic.observed_green
        if green is None:
            return WallBanner("run", "Switching to GREEN", "Probes have no answer yet.")
        return WallBanner("run", "Switching to GREEN", "", living=_share("green", green, " of traffic is on GREEN."))
    ends_at = operation.written_at + timedelta(seconds=_last_stage_s(facts.plan))
    text = f"Checks run until T+{_last_stage_s(facts.plan):g}."
    return WallBanner("run", "GREEN serves 100 %. Watching.", text, started_at=operation.written_at, ends_at=ends_at)


def _last_stage_s(plan: Plan) -> float:
    return float(max((stage.at_s for stage in plan.production.strip), default=30))


def _on_hold(facts: Facts) -> WallBanner | None:
    if facts.state is not State.ON_HOLD:
        return None
    by = f" ({facts.deployment.held_by})" if facts.deployment.held_by else ""
    return WallBanner("hold", "ON HOLD", f"{facts.deployment.hold_reason}{by}")


def _warning(facts: Facts) -> WallBanner | None:
    watched = facts.having(Verdict.WARNING)
    if not watched:
        return None
    metric, reading = watched[0]
    more = f" {len(watched) - 1} more in warning." if len(watched) > 1 else ""
    text = f"Above {quantity(metric.warning, metric.unit)}; critical is above {quantity(metric.critical, metric.unit)}."
    title = f"WARNING: {reading.side} {within(metric.title)}"
    aside, counts_to = _aside_and_time(facts)
    return WallBanner("warn", title, f"{text} Watch closely.{more}", aside, counts_to, _living(metric, reading))


def _living(metric: Metric, reading: ReadingNow) -> tuple[str, str, str]:
    return f"readings.{metric.key}.{reading.side}", plain(reading.figure), metric.unit


def _next(facts: Facts) -> str:
    plan = facts.plan
    words: Mapping[State, str] = {
        State.PREPARING: "Sign-offs and checklists are open.",
        State.PROCEEDED: f"Proceeded. {opening(who_may(plan, 'arm'))} arms next.",
        State.ARMED: f"Armed. {opening(who_may(plan, 'switch'))} can switch.",
        State.ROLLED_BACK: f"The rollback is complete. A new attempt needs {votes_wanted(plan)} new sign-offs.",
        State.COMPLETED: f"The phase is complete. {blue_stays(plan)}",
        State.ABORTED: "The deployment was aborted.",
    }
    return words.get(facts.state, "Nothing to do.")


def _normal(facts: Facts) -> WallBanner:
    blue, green = facts.traffic.observed_blue, facts.traffic.observed_green
    if blue is None or green is None:
        return WallBanner("unknown", "UNKNOWN: where traffic is", "Probes have not answered for 3 s.")
    if facts.traffic.set_blue is not None and facts.traffic.set_blue != blue:
        title = f"WARNING: traffic is not as set ({facts.traffic.set_blue} / {facts.traffic.set_green})"
        return WallBanner("warn", title, f"Probes see BLUE {blue} %, GREEN {green} %.", _who(facts))
    serves = "GREEN serves 100 %" if green == 100 else "BLUE serves 100 %" if blue == 100 else f"GREEN has {green} %"
    text = _next(facts)
    if facts.state in (State.SWITCHED, State.COMPLETED):
        text = f"{text} {_way_back(facts)}"
    return WallBanner("ok", f"Normal. {serves}.", text, *_aside_and_time(facts))


def _way_back(facts: Facts) -> str:
    """Whether BLUE could take over, and how old that knowledge is."""
    target = facts.target
    if target is None or target.blue_at is None or target.blue_is_healthy is None:
        return "BLUE's health is not known."
    at = hms(target.blue_at, facts.plan.timezone)
    if not target.blue_is_healthy:
        return f"BLUE is not healthy: {target.blue_found} at {at}."
    return f"Rollback is ready: BLUE healthy at {at}."


def _aside_and_time(facts: Facts) -> tuple[Aside | None, datetime | None]:
    """The next moment everybody waits for: the planned start, or the next decision point."""
    if facts.zero is None:
        if facts.state in (State.PREPARING, State.PROCEEDED, State.ARMED) and facts.deployment.planned_at > facts.now:
            return ("Planned start in", ""), facts.deployment.planned_at
        return None, None
    if facts.state is not State.SWITCHED:
        return None, None
    for minute in sorted(point.minute for point in facts.plan.production.decisions):
        moment = facts.zero + timedelta(minutes=minute)
        if moment > facts.now:
            return (f"Decision, minute {minute}, in", ""), moment
    return None, None


def _who(facts: Facts) -> Aside | None:
    """Who can do something about it, as soon as there is something to roll back."""
    if facts.state not in AFTER_SWITCH_BEGAN or facts.state is State.ROLLING_BACK:
        return None
    return (opening(who_may(facts.plan, "rollback")), "can roll back now")
