"""What one seed makes happen to a canary: its shares, who presses what and when, and what breaks."""

import random

from tests.simulate.scenario import (
    AROUND_THE_EFFECT,
    CALLS,
    METRIC_FAULTS,
    STORE_FAULTS,
    TROUBLE,
    WRITE_FAULTS,
    CanaryCourse,
    CanaryPress,
    Scenario,
    Window,
    sides,
    strikes,
    windows,
    writes,
)

FAMILIES = (*TROUBLE, "stuck", "alerts", "taken back", "held", "hasty")
CANARY_CALLS = (*CALLS, "keep", "keep", "hold", "find")
AROUND = (*AROUND_THE_EFFECT, "keep", "keep", "keep")
LONGEST_S = 45.0
"""In which trouble begins: most canaries are over by then."""


def draw_canary(seed: int, *, is_race: bool = False) -> Scenario:
    """The scenario of a seed. In a race everything is taken back at about the moment at which a share is ordered."""
    dice = random.Random(seed * 2 + is_race + 7_000_000_001)
    count = dice.choice((0, 1, 1, 2, 2, 3, 3, 4))
    families = tuple(sorted(dice.sample(FAMILIES, count), key=FAMILIES.index))
    has = families.__contains__
    workers = 1 if has("freeze") and dice.random() < 0.3 else dice.choice((1, 2, 2, 3))
    return Scenario(
        seed=seed,
        families=families,
        workers=workers,
        offsets_s=tuple(dice.uniform(-3600, 3600) if has("clocks") else 0.0 for _ in range(workers)),
        strikes=tuple(strikes(dice, families, CANARY_CALLS, AROUND) for _ in range(workers)),
        restarts_after_s=round(dice.uniform(0.3, 4.0), 3),
        store=_later(dice, STORE_FAULTS[:2], 1, 3, 12.0) if has("store") else (),
        lost_commits=tuple(sorted(dice.sample(range(1, 160), dice.randint(1, 8)))) if has("store") else (),
        commit_s=dice.choice((0.001, 0.002, 0.002, 0.01)),
        lost_wakes=has("wake"),
        keeps_epoch=dice.random() < 0.5,
        routes=dice.choice((1, 1, 1, 2, 3)),
        writes=writes(dice, seed) if has("cloud") else (),
        cloud=_later(dice, WRITE_FAULTS, 0, 2, 20.0) if has("cloud") else (),
        reads=_later(dice, ("silent", "slow", "failing"), 1, 2, 15.0) if has("reads") else (),
        sides=_sides(dice, families),
        metrics=_later(dice, METRIC_FAULTS, 1, 2, 20.0) if has("metrics") else (),
        foreign=tuple(
            (round(dice.uniform(0, LONGEST_S), 3), dice.choice((0, 50, 90, 100))) for _ in range(dice.randint(1, 2))
        )
        if has("foreign")
        else (),
        stuck=_later(dice, ("stuck",), 1, 1, 30.0) if has("stuck") else (),
        canary=_course(dice, families, is_race=is_race),
    )


def _later(dice: random.Random, kinds: tuple[str, ...], least: int, most: int, longest: float) -> tuple[Window, ...]:
    """Windows that begin anywhere in the course of a canary, which takes longer than a switch."""
    found = []
    for window in windows(dice, kinds, least, most, longest):
        by = dice.choice((0.0, dice.uniform(0, LONGEST_S - 10)))
        found.append(Window(window.what, round(window.begins + by, 3), round(window.ends + by, 3)))
    return tuple(found)


def _sides(dice: random.Random, families: tuple[str, ...]) -> tuple[Window, ...]:
    by = round(dice.uniform(0, LONGEST_S - 10), 3)
    return tuple(Window(one.what, one.begins + by, one.ends + by) for one in sides(dice, families))


def _course(dice: random.Random, families: tuple[str, ...], *, is_race: bool) -> CanaryCourse:
    shares = dice.choice(
        ((10, 25, 50, 100), (10, 100), (5, 20, 100), (100,), (50,), (1, 99), (90, 100), (33, 66, 100), (10, 100))
    )
    presses = [CanaryPress(0.5, "start", 50 if "clicks" in families else 1, dice.random() < 0.5)]
    if is_race:
        at = 0.5 + dice.choice((0.0, dice.uniform(0, 0.06), dice.uniform(0, 0.6), dice.uniform(0, 12)))
        presses.append(CanaryPress(round(at, 4), "take_back", dice.choice((1, 1, 20))))
    if "taken back" in families:
        presses.append(CanaryPress(round(dice.uniform(0.5, 60), 3), dice.choice(("take_back", "report")), 2))
    if "held" in families:
        at = round(dice.uniform(1, 30), 3)
        presses += [CanaryPress(at, "hold"), CanaryPress(round(at + dice.uniform(1, 20), 3), "resume")]
    if "hasty" in families:
        presses += [CanaryPress(round(dice.uniform(1, 40), 3), "go_on") for _ in range(dice.randint(2, 8))]
    alerts = tuple(
        (round(dice.uniform(0, 50), 3), dice.choice(("security", "security", "capacity")), dice.random() < 0.5)
        for _ in range(dice.randint(1, 3))
    )
    return CanaryCourse(
        shares=shares,
        dwell_s=dice.choice((2.0, 4.0, 6.0)),
        is_automatic=dice.random() < 0.25,
        lead_looks_s=dice.choice((0.3, 1.0, 2.0)),
        lead_thinks_s=dice.choice((0.0, 0.05, 0.5, 1.5)),
        is_hasty="hasty" in families,
        backend_s=dice.choice((0.0, 1.0, 4.0)),
        starts_again=dice.choice((0, 0, 1)),
        presses=tuple(sorted(presses, key=lambda press: press.at)),
        alerts=alerts if "alerts" in families else (),
    )
