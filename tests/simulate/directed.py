"""Scenarios made for one situation each, where chance comes by too seldom: one rule of the product is all that stands
between it and a violation, so they come first when a mutant is hunted. The seeds look for what nobody thought of."""

from collections.abc import Iterator
from dataclasses import replace

from app.domain.operations import Kind
from tests.simulate.canary_directed import canary_directed
from tests.simulate.scenario import VOTE_FLAWS, Press, Scenario, Strike, Window

SWITCH = Press(0.5, Kind.SWITCH, "devops_lead")
WRITTEN_BY = 0.6
"""An undisturbed switch has left for the balancer."""


def _rollback(at: float) -> tuple[Press, ...]:
    return SWITCH, Press(at, Kind.ROLLBACK, "devops_1")


ALONE = Scenario(3, workers=1, offsets_s=(0.0,), strikes=((),), keeps_epoch=False, presses=(SWITCH,))
"""One worker, and a balancer that keeps no epoch: nobody but the product itself prevents anything. Of a pair the chance
of this number lets the first worker get the job."""
PAIR = replace(ALONE, workers=2, offsets_s=(0.0, 0.0), strikes=((), ()))


def _struck(*strikes: Strike, of: Scenario = ALONE, **more: object) -> Scenario:
    """The first worker suffers these."""
    return replace(of, strikes=(strikes, *of.strikes[1:]), **more)  # type: ignore[arg-type]


def directed() -> dict[str, Scenario]:
    """Each with a name that says what happens."""
    of_a_switch = (*_freezes_and_deaths(), *_writes(), *_evidence(), *_people())
    return {**dict(of_a_switch), **canary_directed()}


def _freezes_and_deaths() -> Iterator[tuple[str, Scenario]]:
    yield "nothing happens", PAIR
    yield "nothing happens, with a rollback", replace(PAIR, presses=_rollback(5.0))
    for ms in range(8, 40, 4):
        yield f"a rollback {ms} ms after the switch", replace(ALONE, presses=_rollback(0.5 + ms / 1000))
    for lasts in (0.8, 4.0, 20.0):
        for call in ("record_intent", "newest_epoch"):
            for is_before in (True, False):
                side = "before" if is_before else "after"
                strike = Strike("freeze", call, 1, is_before, lasts)
                yield f"frozen {lasts:g} s {side} {call}", _struck(strike)
                yield f"frozen {lasts:g} s {side} {call}, and another takes over", _struck(strike, of=PAIR)
    yield "dead after the write", _struck(Strike("kill", "write", 1, False, 0.0), of=PAIR)
    yield (
        "dead with a write on its way that lands much later",
        _struck(Strike("kill", "claim", 2, True, 0.0), of=PAIR, writes=("crawl:3.0",), presses=_rollback(4.0)),
    )
    for off_s in (-3600.0, 3600.0):
        yield f"the worker's clock is {off_s:+.0f} s off", replace(ALONE, offsets_s=(off_s,), presses=_rollback(5.0))
    # The check of GREEN is answered at once and comes back 3.8 s later; then nothing is taken for as long as a proof
    # counts, and the last write stands still for as long again before it asks the fence.
    yield (
        "the proof of GREEN was old when it was recorded",
        _struck(
            Strike("freeze", "health", 1, False, 3.8),
            Strike("freeze", "record_intent", 1, True, 2.5, from_s=14.6),
            cloud=(Window("refused", 0.0, 15.6),),
        ),
    )


def _writes() -> Iterator[tuple[str, Scenario]]:
    """The balancer, and what was sent to it."""
    yield "twice no trace of a write", replace(ALONE, writes=("vanished:0", "vanished:0"), presses=_rollback(8.0))
    yield "nothing is taken", replace(ALONE, cloud=(Window("refused", 0.0, 40.0),))
    yield "one route of two takes it", replace(ALONE, routes=2, writes=("partial:0",))
    yield (
        "one route of two takes the rollback",
        replace(ALONE, routes=2, writes=(":0", ":0", ":0", "vanished:0"), presses=_rollback(4.0)),
    )
    sick_soon = (Window("GREEN.sick", 2.0, 90.0),)
    yield (
        "one route of two takes it, and GREEN falls ill",
        replace(ALONE, routes=2, writes=("partial:0", ":0"), cloud=(Window("refused", 0.0, 40.0),), sides=sick_soon),
    )
    # The reading finds nothing of the first write, which lands afterwards; the others are refused.
    yield (
        "a write that was read as lost lands later, and GREEN falls ill",
        replace(ALONE, writes=("astray:3.0",), cloud=(Window("refused", 0.0, 40.0),), sides=sick_soon),
    )
    # Neither probes nor checks ever see GREEN well, and no deadline is stretched by it.
    yield "GREEN falls ill under way", replace(ALONE, sides=(Window("GREEN.sick", WRITTEN_BY, 200.0),))
    yield (
        "somebody else moves it while the guard looks, and the write back is not answered",
        replace(ALONE, presses=_rollback(4.0), foreign=((7.0, 0),), writes=(":0", ":0", "lost:0")),
    )
    # Looks found BLUE after the guard's time, while metrics were still dark; then it is moved, and no write is taken.
    yield (
        "somebody else moves it after the guard's time, while checks are open",
        replace(
            ALONE,
            presses=_rollback(3.0),
            metrics=(Window("dark", 2.0, 19.6),),
            foreign=((18.0, 0),),
            cloud=(Window("refused", 17.5, 45.0),),
        ),
    )
    # The worker stands still while it counts the customers for the end that it has decided on.
    yield (
        "somebody else moves it while the worker is frozen right before the end",
        _struck(Strike("freeze", "count", 1, True, 6.2, from_s=13.0), presses=_rollback(3.0), foreign=((18.0, 50),)),
    )
    # 2.9 s on its way, answered, and applied 8 s later: the longest call that a rollback must outlast.
    longest = replace(ALONE, writes=("crawl:8.0",), presses=_rollback(WRITTEN_BY))
    yield "the longest call lands after a rollback", longest
    yield "it lands while the balancer is not read", replace(longest, reads=(Window("silent", 10.6, 17.0),))


def _evidence() -> Iterator[tuple[str, Scenario]]:
    """What is known of the sides."""
    for fault in ("sick", "digest"):
        yield f"GREEN is {fault} from the start", replace(ALONE, sides=(Window(f"GREEN.{fault}", 0.0, 60.0),))
    yield "the balancer cannot be read", replace(ALONE, reads=(Window("silent", 0.0, 6.0),))
    at_ten = (replace(SWITCH, at=10.0),)
    for what in ("dark", "stale", "nan"):
        dark = (Window(what, 0.0, 80.0),)
        yield f"metrics {what}, long before the switch", replace(ALONE, metrics=dark, presses=at_ten)
        since = (Window(what, 3.0, 80.0),)
        yield f"metrics {what} before the rollback", replace(ALONE, metrics=since, presses=_rollback(12.0))
    for lasts in (20.0, 50.0):
        yield (
            f"BLUE is ill for {lasts:.0f} s when it is wanted back",
            replace(ALONE, sides=(Window("BLUE.sick", 5.0, 5.0 + lasts),), presses=_rollback(5.0)),
        )


def _people() -> Iterator[tuple[str, Scenario]]:
    for flaw in VOTE_FLAWS:
        yield f"the votes have a flaw: {flaw}", replace(ALONE, vote_flaw=flaw)
