"""The machine's answers to the lines of the strip and to the rollback criteria (manual, "The 5-second switch" and
"Rollback success criteria"). Each answer carries what was found and where it comes from."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.operations import Answer, Operation, Outcome
from app.domain.plan import MEASURED, Metric, Plan, StripCheck, TargetSpec, measured_by
from app.domain.plan_parts import Criterion
from app.domain.sides import Release, Side, Weights
from app.domain.smoke import wrong_with
from app.orchestrator.observer import Observer
from app.ports.clock import Clock
from app.ports.customers import CustomerCount, Customers
from app.ports.operations import OperationStore, ReadingNow
from app.ports.probe import Prober
from app.ports.traffic import ProviderError, TargetReading, TrafficTarget

CHECK_TIMEOUT_S = 4.0
FRESH_PERIODS = 3

Verdicts = tuple[Answer, str, str]


@dataclass(frozen=True)
class Ground:
    """Everything a check may ask."""

    traffic: TrafficTarget
    prober: Prober
    customers: Customers | None
    store: OperationStore
    observer: Observer
    plan: Plan
    target: TargetSpec
    releases: dict[Side, Release]
    configuration: str
    customers_at_start: CustomerCount | None
    clock: Clock
    now: Callable[[], datetime]


async def run_check(name: str, operation: Operation, ground: Ground) -> Outcome:
    """Ask one check. A check that cannot be answered is UNKNOWN, never YES (I8). What it found is as old as the
    question: a worker that was frozen between answer and record must not make an old proof look fresh."""
    check = _CHECKS[name]
    asked_at = ground.now()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            answer, found, proof = await check(operation, ground)
    except ProviderError as error:
        answer, found, proof = Answer.UNKNOWN, "no answer", error.message
    except TimeoutError:
        answer, found, proof = Answer.UNKNOWN, "no answer", f"nothing within {CHECK_TIMEOUT_S:.0f} s"
    return Outcome(answer, found[:200], proof[:500], asked_at)


def _yes_if(condition: bool, found: str, proof: str) -> Verdicts:
    return (Answer.YES if condition else Answer.NO), found, proof


async def _side_healthy(side: Side, ground: Ground) -> Verdicts:
    health = await ground.traffic.health(side)
    release = ground.releases[side]
    counted = f"{health.healthy} of {health.required} targets"
    if not health.is_healthy:
        return Answer.NO, f"{side} is not healthy: {counted}", health.detail
    if health.digest != release.digest:
        runs = Release("", health.digest).short_digest if health.digest else "no digest"
        return Answer.NO, f"{side} runs {runs}, not {release.short_digest}", health.detail
    return Answer.YES, f"{side} healthy", f"{counted}, {release.short_digest} matches"


async def _green_healthy(_operation: Operation, ground: Ground) -> Verdicts:
    return await _side_healthy(Side.GREEN, ground)


async def _health_passing(operation: Operation, ground: Ground) -> Verdicts:
    return await _side_healthy(operation.side, ground)


def _routes(reading: TargetReading) -> str:
    shown = ", ".join(f"{route.route} {route.weights}" for route in reading.routes[:4])
    more = len(reading.routes) - 4
    return f"{shown} and {more} more" if more > 0 else shown


async def _balancer_ready(operation: Operation, ground: Ground) -> Verdicts:
    reading = await ground.traffic.read()
    if reading.epoch > operation.epoch:
        return Answer.NO, f"the target carries epoch {reading.epoch}, newer than ours", _routes(reading)
    if ground.configuration and reading.configuration != ground.configuration:
        return Answer.NO, "the target was changed outside gonogo", f"configuration {reading.configuration[:12]}"
    if not reading.agrees(Weights.all_to(operation.side.other)):
        return Answer.NO, f"the balancer is not all on {operation.side.other}", _routes(reading)
    count = f"{len(reading.routes)} route{'s' if len(reading.routes) != 1 else ''}"
    return Answer.YES, "balancer ready", f"{count} read back, BLUE / GREEN {reading.weights}"


def _is_fresh(reading: ReadingNow, metric: Metric) -> bool:
    return reading.age_s <= FRESH_PERIODS * metric.every_s and reading.verdict != "UNKNOWN"


async def _monitoring_live(_operation: Operation, ground: Ground) -> Verdicts:
    readings = {(reading.metric, reading.side): reading for reading in await ground.store.readings(_operation.id)}
    dark = [
        f"{metric.title} of {side}"
        for metric in ground.plan.metrics
        for side in Side
        if (metric.key, side) not in readings or not _is_fresh(readings[metric.key, side], metric)
    ]
    if dark:
        return (
            Answer.NO,
            f"no fresh reading: {', '.join(dark[:3])}",
            f"{len(dark)} of {2 * len(ground.plan.metrics)} dark",
        )
    oldest = max((reading.age_s for reading in readings.values()), default=0.0)
    return Answer.YES, "monitoring live", f"{len(readings)} readings, the oldest {oldest:.1f} s old"


async def _team_present(operation: Operation, ground: Ground) -> Verdicts:
    team = await ground.store.team(operation.id)
    here = f"{len(team.present)} seats seen in the last 10 min"
    if team.missing:
        return Answer.NO, f"not seen: {', '.join(team.missing[:4])}", here
    return Answer.YES, "team present", here


async def _response_normal(operation: Operation, ground: Ground) -> Verdicts:
    metric = _metric(ground.plan, _measured(ground, "response_normal"))
    since = operation.written_at or operation.accepted_at
    ms, count = ground.observer.response_ms(operation.side, since=since)
    if count == 0:
        return Answer.UNKNOWN, "no answer measured", "no probe was answered by this side yet"
    limit = metric.warning * (1000 if metric.unit == "s" else 1) if metric else 1000.0
    return _yes_if(
        ms <= limit, f"{ms:.0f} ms", f"p95 of {count} probes through the public address, limit {limit:.0f} ms"
    )


async def _application_reachable(_operation: Operation, ground: Ground) -> Verdicts:
    answer = await ground.prober.fetch("GET", "/")
    found = f"{answer.status} in {answer.seconds * 1000:.0f} ms"
    return _yes_if(answer.status < 400, found, "GET / through the public address")


async def _no_errors(operation: Operation, ground: Ground) -> Verdicts:
    key = _measured(ground, "no_errors")
    reading, metric = await _reading(operation, ground, key), _metric(ground.plan, key)
    if reading is None or reading.value is None or metric is None:
        return Answer.UNKNOWN, "no reading", f"{metric.title if metric else key} has no fresh reading"
    proof = f"{metric.title} of {reading.samples} requests, limit {metric.warning:g} {metric.unit}".rstrip()
    return _yes_if(reading.value <= metric.warning, f"{reading.value:.2g} {metric.unit}".rstrip(), proof)


async def _smoke_tests(_operation: Operation, ground: Ground) -> Verdicts:
    tests = ground.target.smoke_tests
    results = await asyncio.gather(*(_smoke(test.key, ground) for test in tests))
    failed = [text for text in results if text]
    passed = f"{len(tests) - len(failed)} of {len(tests)} passed"
    return _yes_if(not failed, passed, "; ".join(failed) or "through the public address")


async def _smoke(key: str, ground: Ground) -> str:
    """Empty if the smoke test passed, else what was wrong."""
    test = next(test for test in ground.target.smoke_tests if test.key == key)
    try:
        answer = await ground.prober.fetch(test.method, test.path)
    except ProviderError as error:
        return f"{test.title}: {error.message}"
    return wrong_with(test, status=answer.status, body=answer.body, seconds=answer.seconds)


async def _still_normal(operation: Operation, ground: Ground) -> Verdicts:
    readings = [reading for reading in await ground.store.readings(operation.id) if reading.side is operation.side]
    bad = [f"{reading.metric} {reading.verdict}" for reading in readings if reading.verdict not in ("OK", "WARNING")]
    if not readings:
        return Answer.UNKNOWN, "no readings", "nothing was measured"
    return _yes_if(not bad, ", ".join(bad) or "all normal", f"{len(readings)} metrics of {operation.side}")


async def _no_customer_failures(operation: Operation, ground: Ground) -> Verdicts:
    """Both count: requests that failed, and what customers told support since the press (manual, "T + 30 sec: customer
    reports coming in?"). Nothing told is no proof where nobody counts requests."""
    reports, customers = await ground.store.customer_reports(operation.id)
    told = f"{reports} report{'s' if reports != 1 else ''} of {customers} customer{'s' if customers != 1 else ''}"
    if ground.customers is None or ground.customers_at_start is None:
        if reports:
            return Answer.NO, told, "taken in by support since the press; requests are not counted here"
        return Answer.UNKNOWN, "not measured", "no reports; this target has no source of customers' requests"
    count = await ground.customers.count()
    failed = count.failed - ground.customers_at_start.failed
    requests = count.requests - ground.customers_at_start.requests
    found = f"{failed} failed of {requests}" + (f", {told}" if reports else "")
    proof = count.last_failure if failed else "since the press"
    return _yes_if(failed == 0 and not reports, found, proof if reports else f"{proof}; no customer reports")


async def _ready_to_watch(operation: Operation, ground: Ground) -> Verdicts:
    shares = ground.observer.latest()
    seen = shares.green if operation.side is Side.GREEN else shares.blue
    found = f"{seen} % on {operation.side}" if seen is not None else "no probe was answered"
    return _yes_if(seen == 100 and shares.failed == 0, found, f"{shares.total} probes in the last second")


async def _balancer_on_blue(_operation: Operation, ground: Ground) -> Verdicts:
    reading = await ground.traffic.read()
    found = f"BLUE {reading.weights.blue}" if reading.weights else "routes disagree"
    return _yes_if(reading.agrees(Weights.all_to(Side.BLUE)), found, _routes(reading))


async def _traffic_on_blue(operation: Operation, ground: Ground) -> Verdicts:
    arrived = ground.observer.arrival(
        Side.BLUE,
        since=operation.written_at or operation.accepted_at,
        window=ground.target.probes.window,
        span_s=ground.target.probes.span_s,
    )
    latest = ground.observer.latest()
    found = f"{latest.blue} %" if latest.blue is not None else "no probe answered"
    return _yes_if(
        arrived.at_100 is not None and latest.blue == 100,
        found,
        f"{arrived.agreeing} of {arrived.total} probes answered by BLUE since the write",
    )


async def _metric_below(operation: Operation, ground: Ground, check: str) -> Verdicts:
    """A criterion on a metric of BLUE, from a fresh reading in service: an idle side proves nothing."""
    key = _measured(ground, check)
    reading, metric = await _reading(operation, ground, key), _metric(ground.plan, key)
    if reading is None or reading.value is None or metric is None or reading.verdict == "IDLE":
        return Answer.UNKNOWN, "no reading yet", f"{key} of BLUE has no fresh reading in service"
    limit = _limit(ground, check, metric.target)
    proof = f"{metric.statistic}, {reading.samples} samples, {reading.age_s:.1f} s old, limit {limit:g} {metric.unit}"
    return _yes_if(reading.value < limit, f"{reading.value:.3g} {metric.unit}", proof)


async def _error_rate(operation: Operation, ground: Ground) -> Verdicts:
    return await _metric_below(operation, ground, "error_rate")


async def _response_time(operation: Operation, ground: Ground) -> Verdicts:
    return await _metric_below(operation, ground, "response_time")


async def _no_critical_errors(operation: Operation, ground: Ground) -> Verdicts:
    """Failed probes since traffic came back stand for critical errors; a log source answers it once one is bound."""
    since = max(operation.observed_100_at or operation.accepted_at, ground.now() - timedelta(seconds=10))
    probes = ground.observer.sent_since(since)
    failed = sum(not seen.ok for seen in probes)
    if operation.observed_100_at is None or not probes:
        return Answer.UNKNOWN, "not yet", "waiting for traffic to arrive on BLUE"
    return _yes_if(failed == 0, str(failed), f"{len(probes)} requests since BLUE serves all")


async def _customers_served(_operation: Operation, ground: Ground) -> Verdicts:
    answer = await ground.prober.fetch("GET", "/")
    found = f"{answer.status} in {answer.seconds * 1000:.0f} ms"
    if ground.customers is None:
        return _yes_if(answer.status < 400, found, "GET / through the public address")
    first = await ground.customers.count()
    await ground.clock.sleep(1.0)
    second = await ground.customers.count()
    failed, requests = second.failed - first.failed, second.requests - first.requests
    proof = f"{requests} customers' requests in the last second, {failed} failed; GET / {found}"
    return _yes_if(answer.status < 400 and failed == 0 and requests > 0, f"{requests} served", proof)


def _measured(ground: Ground, check: str) -> str:
    """The key of the metric that the plan's line or criterion for `check` reads."""
    phase = ground.plan.production
    lines: list[StripCheck | Criterion] = [line for stage in phase.strip for line in stage.checks]
    lines += phase.rollback.criteria if phase.rollback else ()
    named = (measured_by(line) for line in lines if line.check == check)
    return next((key for key in named if key), MEASURED[check])


def _metric(plan: Plan, key: str) -> Metric | None:
    return next((metric for metric in plan.metrics if metric.key == key), None)


def _limit(ground: Ground, check: str, default: float) -> float:
    criteria: list[Criterion] = [
        criterion for phase in ground.plan.phases if phase.rollback for criterion in phase.rollback.criteria
    ]
    limits = [criterion.below for criterion in criteria if criterion.check == check and criterion.below is not None]
    return limits[0] if limits else default


async def _reading(operation: Operation, ground: Ground, key: str) -> ReadingNow | None:
    for reading in await ground.store.readings(operation.id):
        metric = _metric(ground.plan, key)
        if reading.metric == key and reading.side is operation.side and metric and _is_fresh(reading, metric):
            return reading
    return None


_CHECKS: dict[str, Callable[[Operation, Ground], Awaitable[Verdicts]]] = {
    "green_healthy": _green_healthy,
    "balancer_ready": _balancer_ready,
    "monitoring_live": _monitoring_live,
    "team_present": _team_present,
    "response_normal": _response_normal,
    "application_reachable": _application_reachable,
    "health_passing": _health_passing,
    "no_errors": _no_errors,
    "smoke_tests": _smoke_tests,
    "still_normal": _still_normal,
    "no_customer_failures": _no_customer_failures,
    "ready_to_watch": _ready_to_watch,
    "balancer_on_blue": _balancer_on_blue,
    "traffic_on_blue": _traffic_on_blue,
    "error_rate": _error_rate,
    "response_time": _response_time,
    "no_critical_errors": _no_critical_errors,
    "customers_served": _customers_served,
}
