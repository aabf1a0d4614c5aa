"""Scenarios of canaries made for one situation each, as directed.py has them for the switch. With one worker and
nothing wrong a tenth arrives 4 to 5 s after it was ordered, half 11 to 12 s."""

from collections.abc import Iterator
from dataclasses import replace

from tests.simulate.scenario import CanaryCourse, CanaryPress, Scenario, Strike, Window

START = CanaryPress(0.5, "start")
COURSE = CanaryCourse(shares=(10, 100), dwell_s=3.0)
ALONE = Scenario(3, workers=1, offsets_s=(0.0,), strikes=((),), keeps_epoch=False, canary=COURSE)
PAIR = replace(ALONE, workers=2, offsets_s=(0.0, 0.0), strikes=((), ()))
LONG = replace(COURSE, dwell_s=14.0)
HALF = replace(COURSE, shares=(50, 100))


def _taken_back(at: float, course: CanaryCourse = COURSE, what: str = "take_back") -> CanaryCourse:
    return replace(course, presses=(START, CanaryPress(at, what)))


def canary_directed() -> dict[str, Scenario]:
    """Each with a name that says what happens."""
    return {f"canary: {name}": scenario for name, scenario in (*_people(), *_gates(), *_faults())}


def _people() -> Iterator[tuple[str, Scenario]]:
    yield "nothing happens", PAIR
    yield "all four shares", replace(PAIR, canary=replace(COURSE, shares=(10, 25, 50, 100)))
    yield "the product advances by itself", replace(PAIR, canary=replace(COURSE, is_automatic=True))
    yield "who leads presses whatever the page says", replace(ALONE, canary=replace(COURSE, is_hasty=True, dwell_s=6.0))
    yield (
        "the backend team approves the first share only",
        replace(ALONE, canary=replace(COURSE, shares=(10, 90, 100), approves_until=0)),
    )
    unsaid = replace(COURSE, is_hasty=True, approves_until=-1, patience_s=40.0)
    yield "pressed on without the backend team's word", replace(ALONE, canary=unsaid)
    for ms in range(4, 40, 4):
        yield f"taken back {ms} ms after a share was ordered", replace(ALONE, canary=_taken_back(0.5 + ms / 1000))
    late = tuple(CanaryPress(at, "go_on") for at in (6.1, 12.0, 22.0, 24.0))
    pressed_on = replace(COURSE, presses=(START, CanaryPress(6.0, "take_back"), *late))
    yield "taken back while it dwells, and pressed on", replace(ALONE, canary=pressed_on)
    yield "taken back when it is complete", replace(ALONE, canary=_taken_back(20.0))
    yield "an issue is reported while half is on its way", replace(ALONE, canary=_taken_back(4.0, HALF, "report"))
    yield (
        "begun again after it was taken back",
        replace(ALONE, canary=_taken_back(6.0, replace(COURSE, starts_again=1))),
    )
    held = (START, CanaryPress(5.5, "hold"), CanaryPress(14.0, "resume"))
    yield "the phase is held while it dwells", replace(ALONE, canary=replace(COURSE, dwell_s=4.0, presses=held))


def _gates() -> Iterator[tuple[str, Scenario]]:
    """What is known of GREEN and of the balancer."""
    yield "metrics go dark while it dwells", replace(ALONE, canary=COURSE, metrics=(Window("dark", 5.5, 90.0),))
    yield "metrics are dark for a while", replace(ALONE, canary=COURSE, metrics=(Window("nan", 5.5, 12.0),))
    yield "readings are too high", replace(ALONE, canary=LONG, metrics=(Window("hot", 6.0, 60.0),))
    yield "the balancer is silent while it dwells", replace(ALONE, canary=LONG, reads=(Window("silent", 6.0, 20.0),))
    yield "the balancer fails while it dwells", replace(ALONE, canary=LONG, reads=(Window("failing", 6.0, 40.0),))
    yield "somebody else moves it while it dwells", replace(ALONE, canary=LONG, foreign=((6.0, 50),))
    yield "GREEN falls ill while it dwells", replace(ALONE, canary=LONG, sides=(Window("GREEN.sick", 8.0, 60.0),))
    yield "GREEN is ill from the start", replace(ALONE, canary=COURSE, sides=(Window("GREEN.sick", 0.0, 200.0),))
    yield (
        "GREEN falls ill between two shares",
        replace(ALONE, canary=replace(COURSE, shares=(10, 50, 100)), sides=(Window("GREEN.sick", 11.0, 80.0),)),
    )
    alarm = ((2.0, "security", True),)
    yield "a critical alert while half is on its way", replace(ALONE, canary=replace(HALF, alerts=alarm))
    minor = ((6.0, "security", False),)
    yield "an alert that is not critical", replace(ALONE, canary=replace(COURSE, alerts=minor, patience_s=40.0))


def _faults() -> Iterator[tuple[str, Scenario]]:
    """The balancer, and the workers."""
    yield "the front is stuck", replace(ALONE, canary=HALF, stuck=(Window("stuck", 0.2, 55.0),))
    hundredth = replace(COURSE, shares=(1, 100))
    yield "the front sends nobody there", replace(ALONE, canary=hundredth, stuck=(Window("stuck", 0.2, 55.0),))
    yield "nothing is taken", replace(ALONE, cloud=(Window("refused", 0.0, 60.0),))
    yield "one route of two takes it", replace(ALONE, routes=2, writes=("partial:0",))
    yield "twice no trace of a write", replace(ALONE, writes=("vanished:0", "vanished:0"))
    longest = replace(ALONE, writes=("crawl:8.0",), canary=_taken_back(0.6))
    yield "the longest call lands after it was taken back", longest
    for call in ("record_intent", "newest_epoch", "write", "record_outcome", "record", "keep", "hold", "finish"):
        for is_before in (True, False):
            side = "before" if is_before else "after"
            yield f"dead {side} {call}", replace(PAIR, strikes=((Strike("kill", call, 1, is_before, 0.0),),) * 2)
            frozen = Strike("freeze", call, 1, is_before, 8.0)
            yield f"frozen 8 s {side} {call}", replace(PAIR, strikes=((frozen,), ()))
            yield f"frozen 8 s {side} {call}, and nobody else is there", replace(ALONE, strikes=((frozen,),))
    dwelling = Strike("kill", "keep", 1, True, 0.0, from_s=6.0)
    course = replace(COURSE, dwell_s=10.0)
    yield "the keeper dies while it dwells", replace(PAIR, canary=course, strikes=((dwelling,), (dwelling,)))
    yield "nobody keeps it for long", replace(ALONE, canary=course, strikes=((dwelling,),), restarts_after_s=9.0)
    # Readings of 20 s cover the 5.3 s in which nobody looked: only that they do not count as dwelling is left.
    late = Strike("kill", "keep", 1, True, 0.0, from_s=26.0)
    course = replace(COURSE, dwell_s=30.0)
    yield (
        "nobody keeps it for a while",
        replace(ALONE, canary=course, strikes=((late,),), restarts_after_s=4.3),
    )
    stands = Strike("freeze", "keep", 1, True, 20.0, from_s=6.0)
    yield "the keeper stands still with a look in its hands", replace(ALONE, canary=LONG, strikes=((stands,),))
    yield "the database is away while a share is on its way", replace(ALONE, store=(Window("hangs", 1.0, 7.0),))
    yield "the database is away while it dwells", replace(ALONE, canary=course, store=(Window("fails", 6.0, 13.0),))
