"""What must hold in and after every run: invariants I1 to I9. Own constants: a wrong one in the product must show.

Each check yields sentences that begin with the invariant's name; none is the good answer.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise

from app.domain.operations import Answer, Kind, Operation, State
from app.domain.sides import Side
from app.domain.signoffs import Verdict
from tests.orchestrator.virtual_time import START
from tests.simulate.canary_books import CanaryBooks
from tests.simulate.canary_invariants import CANARY_CHECKS
from tests.simulate.course import Run
from tests.simulate.outside import Call

PROOF_S = 15.0
ARRIVES_S = 15.0
SHARE_ARRIVES_S = 40.0
"""To tell a share from another one takes more probes."""
VERIFIED_S = 30.0
GIVES_UP_S = 600.0
WATCHED_S = 31.0
"""The last stage of ALAWAEL's strip, and the second in which it is asked."""
TAKEOVER_S = 3.0
FENCE_COUNTS_S = 0.5
"""A call leaves at most this long after its fence was answered; in a frozen worker the answer grows old."""
SLACK_S = 6.0
"""One step that was begun before the deadline: a check of 4 s or a read of 3 s, and its transactions."""
LOOK_COUNTS_S = 4.5
"""From the answer of a rollback's last look to its end: a look counts for 4 s, and then comes a transaction."""
WRITES_A_SECOND = 15
LISTED = ("green_healthy", "balancer_ready", "monitoring_live")
LISTED_OF_A_SHIFT = ("green_healthy",)
BACK_OF_A_SHIFT = ("balancer_on_blue", "traffic_on_blue")
FINISHED = (State.DONE, State.REFUSED, State.FAILED, State.SUPERSEDED, State.ESCALATED)


def since_start(at: datetime) -> float:
    return (at - START).total_seconds()


def goes_back(operation: Operation) -> bool:
    """It is to take everything to BLUE."""
    return operation.want.green == 0


def thawed(call: Call) -> bool:
    """Its worker stood still between the fence and the bytes: no program notices that. Only the balancer can judge it,
    by its epoch, and that is the one thing such a call is judged by here."""
    return call.at - call.fenced_at > FENCE_COUNTS_S


def left_at(call: Call) -> float:
    return call.fenced_at if thawed(call) else call.at


def i1_something_healthy_has_weight(run: Run) -> Iterator[str]:
    yield from run.outside.broken
    for call in run.outside.calls:
        if call.weights.blue + call.weights.green != 100:
            yield f"I1: a call with {call.weights.blue} / {call.weights.green}"


def i2_green_was_proven(run: Run) -> Iterator[str]:
    for call in run.outside.calls:
        if call.weights.green and left_at(call) - call.green_passed_at > PROOF_S:
            yield f"I2: GREEN raised at {call.at:.3f} on a proof of {call.green_passed_at:.3f}"


def i3_five_people_said_go(run: Run) -> Iterator[str]:
    for accepted in run.books.accepted:
        good = {
            vote.person_id
            for vote in accepted.votes
            if vote.verdict is Verdict.GO
            and accepted.at < vote.expires_at
            and dict(vote.bound_to) == dict(accepted.binding)
            and vote.person_id in accepted.holders[vote.position]
        }
        if len(good) < 5 or len({vote.question for vote in accepted.votes}) < 5:
            yield f"I3: switch {accepted.operation_id} was accepted with {len(good)} good votes of different people"


def i4_rollback_wins(run: Run) -> Iterator[str]:
    rollbacks = [row.operation for row in run.books.rows.values() if goes_back(row.operation)]
    for call in run.outside.calls:
        for rollback in rollbacks:
            if (
                call.weights.green
                and call.epoch < rollback.epoch
                and call.fenced_at > since_start(rollback.accepted_at)
            ):
                yield f"I4: GREEN raised by epoch {call.epoch} after rollback {rollback.id} was accepted"
        if call.weights.green and call.at - call.fenced_at > FENCE_COUNTS_S + 1e-6 and not run.scenario.keeps_epoch:
            yield f"I4: a call left {call.at - call.fenced_at:.2f} s after its fence was answered"
    newest = run.books.newest.operation if run.books.rows else None
    if newest is not None and goes_back(newest) and not run.outside.is_all_on(Side.BLUE):
        yield from _left_standing(run, newest.id)
    for at, why in run.books.refused_rollbacks:
        began = [event for event in run.books.events if event.at < at]
        refused = {event.operation_id for event in began if event.after == State.REFUSED}
        if {event.operation_id for event in began} - refused and run.books.rows[
            max(run.books.rows)
        ].operation.id not in refused:
            yield f"I4: a rollback was refused at {at:.3f}: {why}"


def _left_standing(run: Run, rollback: int) -> Iterator[str]:
    """It is not on BLUE in the end: right only if somebody moved it after the last look, which was not long ago."""
    ended = run.books.ended_at.get(rollback, run.ended_at)
    looked = max((at for at, who in run.outside.reads if who == rollback and at <= ended), default=-1.0)
    age = ended - looked - _away_in_finish(run, looked, ended)
    if run.outside.foreign_at < looked or age > LOOK_COUNTS_S:
        yield (
            f"I4: the last operation is a rollback, and the end is {run.outside.weights}: "
            f"last looked at {looked:.3f}, moved at {run.outside.foreign_at:.3f}, ended at {ended:.3f}"
        )


def _away_in_finish(run: Run, since: float, until: float) -> float:
    """Seconds in which a worker stood still in its last transaction, or the store was away: nobody notices that."""
    froze = [
        window for life in run.lives for window, call in zip(life.away, life.away_in, strict=True) if call == "finish"
    ]
    closed = [(window.begins, window.ends) for window in run.scenario.store]
    return sum(max(0.0, min(ends, until) - max(begins, since)) for begins, ends in (*froze, *closed))


def i5_one_at_a_time(run: Run) -> Iterator[str]:
    open_now: set[int] = set()
    for event in run.books.events:
        if event.after in FINISHED:
            open_now.discard(event.operation_id)
        else:
            open_now.add(event.operation_id)
        if len(open_now) > 1:
            yield f"I5: operations {sorted(open_now)} were in flight together at {event.at:.3f}"
    for call in run.outside.calls:
        if not call.is_owner:
            yield f"I5: {call.worker} wrote at {call.at:.3f} without holding operation {call.operation_id}"


def i6_epochs_never_fall(run: Run) -> Iterator[str]:
    calls = sorted(run.outside.calls, key=lambda call: call.fenced_at)
    for earlier, later in pairwise(calls):
        if later.epoch < earlier.epoch and later.fenced_at > earlier.fenced_at:
            yield f"I6: epoch {later.epoch} was issued at {later.at:.3f} after {earlier.epoch}"


def i7_every_change_once(run: Run) -> Iterator[str]:
    last: dict[int, str] = {}
    for event in run.books.events:
        if event.before != last.get(event.operation_id, ""):
            yield f"I7: operation {event.operation_id} went to {event.after} from {event.before}, unseen"
        if event.before in FINISHED:
            yield f"I7: operation {event.operation_id} went from {event.before} to {event.after}: it had ended"
        last[event.operation_id] = event.after
    switches = sum(row.operation.kind is Kind.SWITCH for row in run.books.rows.values())
    # Of many pages a refused switch may be followed by another page's; one page's presses are one.
    pressed = sum(
        1 if press.is_one_page else press.times for press in run.scenario.presses if press.kind is Kind.SWITCH
    )
    if switches > pressed:
        yield f"I7: {switches} switches of {pressed} presses"


def i8_unknown_is_no_yes(run: Run) -> Iterator[str]:
    for call in run.outside.calls:
        is_shift = run.books.rows[call.operation_id].operation.kind is Kind.SHIFT
        for name in (LISTED_OF_A_SHIFT if is_shift else LISTED) if call.weights.green else ():
            outcome = call.checks.get(name)
            if outcome is None or outcome.answer is not Answer.YES:
                yield f"I8: GREEN raised although {name} is {outcome.answer if outcome else 'not asked'}"
        # The record may claim what nobody found: the balancer itself knows when it was read.
        if call.weights.green and not is_shift and run.outside.read_on_blue.get(call.operation_id, call.at) >= call.at:
            yield f"I8: GREEN raised at {call.at:.3f} although nobody had read the balancer all on BLUE"
    criteria = run.plan.production.rollback.criteria if run.plan.production.rollback else ()
    of_a_rollback = tuple(criterion.check for criterion in criteria)
    for row in run.books.rows.values():
        operation = row.operation
        if goes_back(operation) and operation.verified_at is not None:
            for name in BACK_OF_A_SHIFT if operation.kind is Kind.SHIFT else of_a_rollback:
                outcome = operation.checks.get(name)
                if outcome is None or outcome.answer is not Answer.YES:
                    yield f"I8: rollback {operation.id} is verified although {name} is not YES"
        for name in ("monitoring_live", "error_rate", "response_time"):
            outcome = operation.checks.get(name)
            if outcome is not None and outcome.answer is Answer.YES and _was_dark(run, since_start(outcome.at)):
                yield f"I8: {name} is YES in the dark, at {since_start(outcome.at):.3f}"


def _was_dark(run: Run, at: float) -> bool:
    """Metrics were dark from 5 s before to 5 s after: no honest answer could be YES."""
    mended = [window.ends for window in run.scenario.metrics]
    return any(
        window.what != "hot" and window.begins < at - 5 and at + 5 < window.ends for window in run.scenario.metrics
    ) and not any(at - 10 < end < at + 5 for end in mended)


def i9_everything_ends_or_pages(run: Run) -> Iterator[str]:
    slack = SLACK_S + run.disturbed_s
    for row in run.books.rows.values():
        operation = row.operation
        accepted, ended = since_start(operation.accepted_at), run.books.ended_at.get(operation.id)
        if ended is None:
            yield f"I9: operation {operation.id} never ended"
            continue
        if not goes_back(operation):
            limit = ARRIVES_S if operation.observed_100_at is None else ARRIVES_S + WATCHED_S
            limit = SHARE_ARRIVES_S if operation.kind is Kind.SHIFT else limit
            if ended - accepted > limit + slack:
                yield f"I9: {operation.kind} {operation.id} took {ended - accepted:.1f} s"
        else:
            yield from _rollback_pages(run, operation.id, slack)
        if operation.state in (State.DONE, State.REFUSED) and {"", "unknown"}.intersection(row.outcomes.values()):
            yield f"I9: operation {operation.id} is {operation.state} with an intent without an end"


def _rollback_pages(run: Run, number: int, slack: float) -> Iterator[str]:
    operation, ended = run.books.rows[number].operation, run.books.ended_at[number]
    clicked, verified = since_start(operation.clicked_at), operation.verified_at
    paged = run.books.escalated_at.get(number)
    if paged is not None and paged - clicked < VERIFIED_S:
        yield f"I9: rollback {number} escalated after {paged - clicked:.1f} s already"
    if operation.state is State.SUPERSEDED:
        yield f"I4: rollback {number} was superseded"
    elif verified is None or since_start(verified) - clicked > VERIFIED_S + slack:
        is_paged = paged is not None and paged - clicked <= VERIFIED_S + slack
        if not is_paged:
            yield f"I9: rollback {number} was not verified in time and paged nobody (ended {ended - clicked:.1f} s)"
    if ended - clicked > GIVES_UP_S + slack + VERIFIED_S:
        yield f"I9: rollback {number} took {ended - clicked:.0f} s"


def truth_of_the_end(run: Run) -> Iterator[str]:
    """What the record claims is what happened."""
    for row in run.books.rows.values():
        operation = row.operation
        landed = [c for c in run.outside.calls if c.epoch == operation.epoch and c.landed_at is not None]
        if operation.state is State.REFUSED and landed:
            yield f"truth: operation {operation.id} is refused, and a write of it landed at {landed[0].landed_at:.3f}"
        if not goes_back(operation) and operation.state is State.DONE and operation.observed_100_at is None:
            yield f"truth: {operation.kind} {operation.id} is done and was never observed"
        if operation.state is State.FAILED and row is run.books.newest:
            yield f"truth: switch {operation.id} failed and nothing was taken back"
    newest = run.books.newest.operation if run.books.rows else None
    if (
        newest is not None
        and len(run.books.rows) == 1
        and newest.state is State.DONE
        and newest.kind is Kind.SWITCH
        and run.outside.foreign_at < 0
        and not run.outside.is_all_on(Side.GREEN)
    ):
        yield f"truth: the switch is done and the weights are {run.outside.weights}"


def read_before_retry(run: Run) -> Iterator[str]:
    """After a write whose outcome is unknown comes a reading, then a decision: no double effect, no hammering."""
    by_operation: dict[int, list[Call]] = {}
    for call in run.outside.calls:
        by_operation.setdefault(call.operation_id, []).append(call)
    for number, calls in by_operation.items():
        batches: dict[int, list[Call]] = {}
        for call in calls:
            batches.setdefault(call.batch, []).append(call)
        for earlier, later in pairwise(batches.values()):
            was_refused = all(call.is_known_refused for call in earlier)
            read = any(earlier[0].at <= at <= later[0].at and who == number for at, who in run.outside.reads)
            if not was_refused and not read and not thawed(later[0]) and not _was_frozen(run, later[0]):
                yield f"read first: operation {number} wrote again at {later[0].at:.3f} without reading"
        begun = [batch[0].at for batch in batches.values()]
        for first, other in zip(begun, begun[WRITES_A_SECOND:], strict=False):
            if other - first < 1:
                yield f"pauses: operation {number} wrote {WRITES_A_SECOND + 1} times within {other - first:.2f} s"


def _was_frozen(run: Run, call: Call) -> bool:
    """Its worker stood still with a reading in its hands, and has the lease again: it writes once more what is set."""
    return any(
        begins <= call.at <= ends + 10 for life in run.lives if life.name == call.worker for begins, ends in life.away
    )


def takeovers_are_quick_and_needed(run: Run) -> Iterator[str]:
    if run.scenario.store or run.scenario.lost_commits:
        return
    for at, gap, worker in run.takeovers:
        idle = [life for life in run.lives if not life.away and not life.dead.is_set() and life.name == worker]
        born_long_ago = "'" not in worker
        if gap > TAKEOVER_S and idle and born_long_ago:
            yield f"takeover: {worker} took over at {at:.3f}, {gap:.2f} s after the last sign of life"
        if gap < 1.4:
            yield f"takeover: {worker} took over at {at:.3f}, {gap:.2f} s after a sign of life: too early"
    if not any(life.away or life.dead.is_set() for life in run.lives) and run.takeovers:
        yield f"takeover: {len(run.takeovers)} without a death or a freeze"


CHECKS: tuple[Callable[[Run], Iterator[str]], ...] = (
    i1_something_healthy_has_weight,
    i2_green_was_proven,
    i3_five_people_said_go,
    i4_rollback_wins,
    i5_one_at_a_time,
    i6_epochs_never_fall,
    i7_every_change_once,
    i8_unknown_is_no_yes,
    i9_everything_ends_or_pages,
    truth_of_the_end,
    read_before_retry,
    takeovers_are_quick_and_needed,
)


def violations(run: Run) -> list[str]:
    checks = (*CHECKS, *CANARY_CHECKS) if isinstance(run.books, CanaryBooks) else CHECKS
    return [sentence for check in checks for sentence in check(run)]
