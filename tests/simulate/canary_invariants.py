"""What must hold of a canary in and after every run, beside I1 to I9 (invariants.py). Own constants, and what the
outside itself knows: a canary that believes its own record must show.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from app.domain.canary import Change
from app.domain.operations import State
from app.domain.sides import Weights
from tests.simulate.canary_books import CanaryBooks, Order, Told, since_start
from tests.simulate.course import Run

KNOWN_AFTER_S = 5.2
"""A reading is good for two periods of 2 s and one more, a look for as long: then what is wrong is known."""
ASKED_WITHIN_S = 3.2
"""From the beginning of a look to the balancer's answer."""
LONGEST_GAP_S = 5.1
"""Nobody looked in a longer one: it is no dwelling."""
SUSTAINED_S = 6.0
FAILING_CHECKS = 3
BACK_WITHIN_S = 4.0
"""From what takes a canary back to the order, with a keeper at work."""
LOOK_BACK_S = 15.0
POINTS = 6.5
"""Between a share and what probes say of it: three of width, as much of chance, and a little."""
EPSILON = 0.05
LEGAL = {
    "": {"shifting"},
    "shifting": {"dwelling", "waiting", "rolling_back"},
    "waiting": {"shifting", "rolling_back"},
    "dwelling": {"gate", "inconclusive", "rolling_back"},
    "inconclusive": {"dwelling", "rolling_back"},
    "gate": {"shifting", "inconclusive", "done", "rolling_back"},
    "done": {"rolling_back"},
    "rolling_back": {"rolled_back"},
    "rolled_back": set(),
}
SERVING = ("shifting", "dwelling", "inconclusive", "gate")
WINDOWS = list[tuple[float, float]]


def _books(run: Run) -> CanaryBooks:
    assert isinstance(run.books, CanaryBooks)
    return run.books


def each_change_follows_and_is_told_once(run: Run) -> Iterator[str]:
    last: dict[int, Told] = {}
    for told in _books(run).told:
        before = last.get(told.run)
        was = before.after if before else ""
        if told.before != was:
            yield f"canary: run {told.run} went to {told.after} from {told.before}, but it was {was}"
        if told.after not in LEGAL[told.before]:
            yield f"canary: run {told.run} went from {told.before} to {told.after} at {told.at:.3f}"
        if before is not None and told.version <= before.version:
            yield f"canary: run {told.run} has version {told.version} after {before.version}"
        expected = (before.step if before else 0) + (told.change is Change.ADVANCE)
        if told.step != expected:
            yield f"canary: run {told.run} is at step {told.step} after {told.change}, not {expected}"
        last[told.run] = told


def shares_are_ordered_one_by_one(run: Run) -> Iterator[str]:
    """Each share as the plan has it, each once for each time that it was asked for, and nothing after the way back."""
    books = _books(run)
    for number in range(1, len(books.runs) + 1):
        orders = [order for order in books.orders if order.run == number]
        up = [order for order in orders if order.percent > 0]
        asked = [told for told in books.told if told.run == number and told.after == "shifting"]
        if len(up) != len(asked):
            yield f"canary: run {number} ordered {len(up)} shares and was asked for {len(asked)}"
        for order in up:
            if order.percent != books.phase.canary[order.step].percent:
                yield f"canary: run {number} ordered {order.percent} % at step {order.step}"
        back_at = min((order.at for order in orders if order.percent == 0), default=float("inf"))
        # Of the moment itself the log's order counts.
        late = [order for order in orders[_first_back(orders) :] if order.percent > 0]
        if late or any(order.at > back_at for order in up):
            yield f"I4: run {number} ordered a share after everything was to go back at {back_at:.3f}"
        if len({order.operation_id for order in up}) != len(up):
            yield f"I7: run {number} ordered a share twice as one operation"


def _first_back(orders: list[Order]) -> int:
    return next((index for index, order in enumerate(orders) if order.percent == 0), len(orders))


def it_stands_where_it_was_observed(run: Run) -> Iterator[str]:
    books = _books(run)
    for told in books.told:
        if told.change is not Change.ARRIVE:
            continue
        order = [one for one in books.orders if one.run == told.run and one.at <= told.at][-1]
        operation = books.rows[order.operation_id].operation
        if operation.state is not State.DONE or operation.want.green == 0:
            yield f"truth: run {told.run} stands at step {told.step}, and operation {operation.id} is {operation.state}"


def asked_back_is_taken_back(run: Run) -> Iterator[str]:
    books = _books(run)
    for at, why in books.refused_backs:
        yield f"I4: taking the canary back was refused at {at:.3f}: {why}"
    for asked, number in (*books.asked_back, *books.reports):
        if not any(
            order.run == number and order.percent == 0 and order.at <= asked + EPSILON for order in books.orders
        ):
            yield f"I4: run {number} was to go back at {asked:.3f}, and nothing was ordered"


def what_takes_it_back_does(run: Run) -> Iterator[str]:
    """Whatever state the canary is in, as long as GREEN may have traffic: also while a share is on its way."""
    books = _books(run)
    slack = BACK_WITHIN_S + run.disturbed_s
    for number, row in enumerate(books.runs, 1):
        for begins, ends in _serving(run, number):
            for alert in books.alerts:
                at = since_start(alert.at)
                is_seen = alert.is_critical and alert.category == "security" and at >= since_start(row.started_at)
                if is_seen and max(at, begins) + slack < ends:
                    yield f"gate: run {number} went on until {ends:.1f} with a critical alert of {at:.1f}"
        for window in run.scenario.sides:
            if not window.what.startswith("GREEN") or len(run.scenario.sides) > 1:
                continue  # of one that flaps, three in a row need not be seen
            for begins, ends in _serving(run, number):
                known = max(window.begins, begins) + FAILING_CHECKS + slack
                if known < min(ends, window.ends):
                    yield f"gate: run {number} went on until {ends:.1f} with GREEN ill since {window.begins:.1f}"
        for window in run.scenario.metrics:
            if window.what != "hot" or len(run.scenario.metrics) > 1:
                continue
            for begins, ends in _serving(run, number):
                known = max(window.begins, begins) + SUSTAINED_S + KNOWN_AFTER_S + slack
                if known < min(ends, window.ends):
                    yield f"gate: run {number} went on until {ends:.1f} with readings high since {window.begins:.1f}"


def _serving(run: Run, number: int) -> WINDOWS:
    """The spans in which GREEN may have had traffic and nothing was taken back yet, joined."""
    found: WINDOWS = []
    told = [one for one in _books(run).told if one.run == number]
    for one, following in zip(told, [*told[1:], None], strict=True):
        is_serving = one.after in SERVING or (one.after == "waiting" and one.step > 0)
        if not is_serving:
            continue
        ends = following.at if following else run.ended_at
        if found and abs(found[-1][1] - one.at) < 1e-9:
            found[-1] = (found[-1][0], ends)
        else:
            found.append((one.at, ends))
    return found


def no_step_without_its_gate(run: Run) -> Iterator[str]:
    """Approved in this step, dwelt in it where it could be told, and nothing known to be wrong."""
    books = _books(run)
    for told in books.told:
        if told.change not in (Change.ADVANCE, Change.FINISH):
            continue
        step = told.step - (told.change is Change.ADVANCE)
        arrived = max(
            (one.at for one in books.told if one.run == told.run and one.change is Change.ARRIVE and one.at <= told.at),
            default=float("inf"),
        )
        said = [
            at for at, number, of in books.approvals if number == told.run and of == step and arrived <= at <= told.at
        ]
        name = f"step {step} of run {told.run} was passed at {told.at:.2f}"
        if not said:
            yield f"gate: {name} without the backend team's word on it"
        lost = _measure([*_dark(run), *_on_hold(run), *_unwatched(run)], arrived, told.at)
        dwelt = told.at - arrived - lost
        if dwelt < books.phase.canary[step].dwell_s - EPSILON:
            yield f"gate: {name} after dwelling {dwelt:.2f} s of {books.phase.canary[step].dwell_s:g}"
        yield from (f"gate: {name}, {why}" for why in _known_wrong(run, told, step))


def _known_wrong(run: Run, told: Told, step: int) -> Iterator[str]:
    books, at = _books(run), told.at
    if any(begins < at < ends for begins, ends in _dark(run)):
        yield "in the dark"
    for window in run.scenario.metrics:
        if window.what == "hot" and window.begins + KNOWN_AFTER_S < at < window.ends and len(run.scenario.metrics) == 1:
            yield "with readings too high"
    for window in run.scenario.sides:
        if window.what.startswith("GREEN") and window.begins + KNOWN_AFTER_S < at < window.ends:
            yield "with GREEN ill"
    started = since_start(books.runs[told.run - 1].started_at)
    if any(started <= since_start(alert.at) < at and alert.category == "security" for alert in books.alerts):
        yield "with a security alert"
    if any(number == told.run for when, number in books.reports if when < at):
        yield "with an issue reported"
    wanted = books.phase.canary[step].percent
    if not _stood_at(run, wanted, at - KNOWN_AFTER_S, at):
        yield f"although the balancer had not said {wanted} % since {at - KNOWN_AFTER_S:.2f}"


def _stood_at(run: Run, green: int, since: float, until: float) -> bool:
    """Whether every route was set to this share at some moment of a span."""
    wanted = Weights(100 - green, green)
    return any(
        begins <= until and ends >= since and all(one == wanted for one in weights)
        for begins, ends, weights, _ in run.outside.spans()
    )


def _dark(run: Run) -> WINDOWS:
    """When the canary must have known that it cannot tell."""
    metrics = [(window.begins + KNOWN_AFTER_S, window.ends) for window in run.scenario.metrics if window.what != "hot"]
    reads = [(window.begins + KNOWN_AFTER_S, window.ends) for window in run.scenario.reads if window.what != "slow"]
    return [(begins, ends) for begins, ends in (*metrics, *reads) if begins < ends]


def _on_hold(run: Run) -> WINDOWS:
    found: WINDOWS = []
    began: float | None = None
    for at, runs in _books(run).held:
        if not runs and began is None:
            began = at
        elif runs and began is not None:
            found.append((began, at))
            began = None
    return [*found, *([(began, float("inf"))] if began is not None else [])]


def _unwatched(run: Run) -> WINDOWS:
    return [(one, other) for one, other in pairwise(_books(run).looks) if other - one > LONGEST_GAP_S]


def _measure(windows: WINDOWS, begins: float, ends: float) -> float:
    """How much of a span they cover together."""
    covered, upto = 0.0, begins
    for first, last in sorted(windows):
        first, last = max(first, upto), min(last, ends)
        if last > first:
            covered, upto = covered + last - first, last
    return covered


def what_was_recorded_was_seen(run: Run) -> Iterator[str]:
    """The share that the balancer is said to give is one that it answered, as of then; and a share has arrived only
    where customers got it."""
    books = _books(run)
    shown = [(at, green) for at, who, green in run.outside.shown if who < 0]
    for kept in books.kept:
        asked = kept.read_at - EPSILON, min(kept.read_at + ASKED_WITHIN_S, kept.at + EPSILON)
        if not any(asked[0] <= at <= asked[1] and green == kept.green for at, green in shown):
            yield f"truth: {kept.green} % were recorded as read at {kept.read_at:.3f}, and nobody had read them"
    for row in books.rows.values():
        operation = row.operation
        if operation.observed_100_at is None or operation.written_at is None:
            continue
        at = since_start(operation.observed_100_at)
        if not operation.is_partial:
            if not _served_all(run, operation.want, at - 1.5, at + 1.5):
                yield f"truth: shift {operation.id} was observed at {at:.2f}, and customers did not get it"
            continue
        since = max(since_start(operation.written_at), at - LOOK_BACK_S)
        if _is_uneven(run):
            # Its probes may all have been sent before, or after, what is averaged here.
            if not _served_all(run, operation.want, since, at):
                yield f"truth: {operation.want.green} % were observed at {at:.2f}, and customers never got it"
            continue
        share = _served_share(run, since, at)
        if abs(share - operation.want.green) > POINTS:
            yield f"truth: {operation.want.green} % were observed at {at:.2f}, and customers got {share:.1f} %"
        agreeing, total = row.probes
        if row.operation.state is State.DONE and (not total or abs(100 * agreeing / total - share) > POINTS):
            yield f"truth: {agreeing} of {total} probes were recorded, and customers got {share:.1f} %"


def _is_uneven(run: Run) -> bool:
    """Somebody else moved the weights, or probes were not sent all the while: its worker stood still, died, or lost the
    store."""
    is_gone = any(life.away or life.dead.is_set() for life in run.lives) or bool(run.scenario.store)
    return run.outside.foreign_at >= 0 or is_gone


def _served_share(run: Run, since: float, until: float) -> float:
    """What GREEN got over a span, in percent."""
    total = 0.0
    for begins, ends, _, served in run.outside.spans():
        span = max(0.0, min(ends, until) - max(begins, since))
        total += span * sum(one.green for one in served) / len(served)
    return total / max(until - since, 1e-9)


def _served_all(run: Run, wanted: Weights, since: float, until: float) -> bool:
    return any(
        begins <= until and ends >= since and all(one == wanted for one in served)
        for begins, ends, _, served in run.outside.spans()
    )


def it_ends_where_it_says(run: Run) -> Iterator[str]:
    books = _books(run)
    row = books.canary
    if row is None:
        return
    if row.finished_at is None:
        yield f"I9: run {row.number} never ended"
    quiet = run.outside.foreign_at < 0 and not run.scenario.writes and not run.scenario.cloud
    last = books.phase.canary[-1].percent
    if row.run.state == "done" and quiet and not _stood_at(run, last, run.ended_at, run.ended_at):
        yield f"truth: the canary is complete and the weights are {run.outside.weights}"


CANARY_CHECKS: tuple[Callable[[Run], Iterator[str]], ...] = (
    each_change_follows_and_is_told_once,
    shares_are_ordered_one_by_one,
    it_stands_where_it_was_observed,
    asked_back_is_taken_back,
    what_takes_it_back_does,
    no_step_without_its_gate,
    what_was_recorded_was_seen,
    it_ends_where_it_says,
)
