"""What one seed makes happen: who presses what and when, what breaks and when it is whole again."""

import random
from dataclasses import dataclass

from app.domain.operations import Kind

TROUBLE = (
    *("death", "freeze", "clocks", "store", "wake", "cloud", "reads", "foreign", "sick", "digest"),
    *("flapping", "metrics", "clicks"),
)
"""What can befall a switch and a canary alike."""
FAMILIES = (*TROUBLE, "votes", "pages", "repeat")
"""Kinds of trouble. A run has a few of them, never all: faults that hide each other find nothing."""

CALLS = (
    *("claim", "load", "newest_epoch", "record_intent", "record_outcome", "resolve_intents", "record", "finish"),
    *("readings", "team", "read", "write", "health", "fetch", "send"),
)
AROUND_THE_EFFECT = ("record_intent", "newest_epoch", "newest_epoch", "send", "write", "record_outcome", "health")
WRITE_FAULTS = ("refused", "throttled", "broken", "slow", "lost", "vanished", "late", "partial", "silent")
STRAYS = ("astray", "crawl")
"""Slow and late at once: no answer and applied later; 2.9 s on its way, answered, and applied later still."""
VOTE_FLAWS = ("four", "expired", "no_go", "outdated", "same_person", "left_seat")
STORE_FAULTS = ("fails", "hangs", "lost_commit", "twice")
METRIC_FAULTS = ("dark", "nan", "stale", "hot")
PEOPLE = ("devops_lead", "devops_1", "devops_2", "project_manager")


@dataclass(frozen=True, slots=True)
class Strike:
    """A worker dies or freezes at its `nth` call of that name (any call if empty), before or after it; with `from_s`
    at the first such call from that second on."""

    kind: str
    call: str
    nth: int
    is_before: bool
    lasts_s: float
    from_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """Something is wrong from one second to another."""

    what: str
    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class Press:
    """`who` presses at a second, `times` times; a repeated press carries the same key only if it is one page's."""

    at: float
    kind: Kind
    who: str
    times: int = 1
    is_one_page: bool = True


@dataclass(frozen=True, slots=True)
class CanaryPress:
    """As Press, on a canary's page: start, go_on, approve, report, take_back, hold or resume (the phase)."""

    at: float
    what: str
    times: int = 1
    is_one_page: bool = True


@dataclass(frozen=True, slots=True)
class CanaryCourse:
    """What people do with a canary. Who leads looks at the page each `lead_looks_s`, thinks and presses what it offers;
    a hasty one presses whatever it says. The backend team approves `backend_s` after it has seen the share there."""

    shares: tuple[int, ...] = (10, 50, 100)
    dwell_s: float = 5.0
    is_automatic: bool = False
    lead_looks_s: float = 1.0
    lead_thinks_s: float = 0.2
    is_hasty: bool = False
    backend_s: float = 1.0
    approves_until: int = 100
    """The last step, from 0, that the backend team approves."""
    starts_again: int = 0
    """How often a canary that was rolled back is begun anew."""
    patience_s: float = 150.0
    """Then who leads takes it back."""
    presses: tuple[CanaryPress, ...] = (CanaryPress(0.5, "start"),)
    alerts: tuple[tuple[float, str, bool], ...] = ()
    """When, of which category, whether critical."""


@dataclass(frozen=True, slots=True)
class Scenario:
    seed: int
    families: tuple[str, ...] = ()
    workers: int = 2
    offsets_s: tuple[float, ...] = ()
    strikes: tuple[tuple[Strike, ...], ...] = ()
    """One tuple a worker."""
    restarts_after_s: float = 1.0
    store: tuple[Window, ...] = ()
    lost_commits: tuple[int, ...] = ()
    """The nth transactions of the run whose COMMIT is not answered although it was carried out."""
    commit_s: float = 0.002
    lost_wakes: bool = False
    keeps_epoch: bool = True
    routes: int = 1
    writes: tuple[str, ...] = ()
    """Faults of the first writes, "kind:seconds"; later ones are well, but for `cloud`."""
    cloud: tuple[Window, ...] = ()
    reads: tuple[Window, ...] = ()
    sides: tuple[Window, ...] = ()
    """BLUE.sick, GREEN.sick, GREEN.digest, BLUE.digest."""
    metrics: tuple[Window, ...] = ()
    pages: tuple[Window, ...] = ()
    """The application's pages answer 500."""
    foreign: tuple[tuple[float, int], ...] = ()
    """Somebody else sets BLUE to this percentage at this second."""
    presses: tuple[Press, ...] = ()
    vote_flaw: str = ""
    stuck: tuple[Window, ...] = ()
    """The balancer reads back what was set and serves what was before."""
    canary: CanaryCourse | None = None


def draw(seed: int, *, is_race: bool = False) -> Scenario:
    """The scenario of a seed. A race has a switch and a rollback pressed at about the same moment."""
    dice = random.Random(seed * 2 + is_race)
    count = dice.choice((0, 1, 1, 2, 2, 3, 3, 4, 5))
    families = tuple(sorted(dice.sample(FAMILIES, count), key=FAMILIES.index))
    has = families.__contains__
    # Nobody takes over from a frozen worker that is alone: it goes on where it was.
    workers = 1 if has("freeze") and dice.random() < 0.4 else dice.choice((1, 2, 2, 3, 4))
    return Scenario(
        seed=seed,
        families=families,
        workers=workers,
        offsets_s=tuple(dice.uniform(-3600, 3600) if has("clocks") else 0.0 for _ in range(workers)),
        strikes=tuple(strikes(dice, families) for _ in range(workers)),
        restarts_after_s=round(dice.uniform(0.3, 4.0), 3),
        store=tuple(windows(dice, STORE_FAULTS[:2], 1, 3, 12.0)) if has("store") else (),
        lost_commits=tuple(sorted(dice.sample(range(1, 80), dice.randint(1, 5)))) if has("store") else (),
        commit_s=dice.choice((0.001, 0.002, 0.002, 0.01, 0.05)),
        lost_wakes=has("wake"),
        keeps_epoch=dice.random() < 0.5,
        routes=dice.choice((1, 1, 1, 2, 3)),
        writes=writes(dice, seed) if has("cloud") else (),
        cloud=tuple(windows(dice, WRITE_FAULTS, 0, 2, 20.0)) if has("cloud") else (),
        reads=tuple(windows(dice, ("silent", "slow"), 1, 2, 15.0)) if has("reads") else (),
        sides=tuple(sides(dice, families)),
        metrics=tuple(windows(dice, METRIC_FAULTS, 1, 2, 20.0)) if has("metrics") else (),
        pages=tuple(windows(dice, ("failing",), 1, 2, 15.0)) if has("pages") else (),
        foreign=tuple(
            (round(dice.uniform(0, 20), 3), dice.choice((0, 0, 50, 90, 100))) for _ in range(dice.randint(1, 2))
        )
        if has("foreign")
        else (),
        presses=_presses(dice, families, is_race=is_race),
        vote_flaw=dice.choice(VOTE_FLAWS) if has("votes") else "",
    )


def strikes(
    dice: random.Random,
    families: tuple[str, ...],
    calls: tuple[str, ...] = CALLS,
    around: tuple[str, ...] = AROUND_THE_EFFECT,
) -> tuple[Strike, ...]:
    found: list[Strike] = []
    for family, kind in (("death", "kill"), ("freeze", "freeze")):
        if family not in families:
            continue
        for _ in range(dice.choice((0, 1, 1, 2, 3))):
            call = dice.choice((*calls, "", "", "")) if dice.random() < 0.5 else dice.choice(around)
            nth = dice.choice((1, 1, 2, 3)) if call else int(dice.triangular(1, 120, 1))
            # A freeze is shorter than the lease, longer than it, or longer than any deadline.
            lasts = dice.choice((dice.uniform(0.2, 1.4), dice.uniform(1.6, 8), dice.uniform(8, 40)))
            found.append(Strike(kind, call, nth, dice.random() < 0.5, round(lasts, 3)))
    return tuple(found)


def windows(dice: random.Random, kinds: tuple[str, ...], least: int, most: int, longest: float) -> list[Window]:
    found = []
    for _ in range(dice.randint(least, most)):
        begins = dice.choice((0.0, dice.uniform(0, 1.5), dice.uniform(0, 25)))
        found.append(Window(dice.choice(kinds), round(begins, 3), round(begins + dice.uniform(0.1, longest), 3)))
    return found


def writes(dice: random.Random, seed: int) -> tuple[str, ...]:
    writes = [_write_fault(dice) for _ in range(dice.randint(1, 8))]
    # Dice of their own: a seed that once found something stays the run that it was in all else.
    strays = random.Random(seed + 1_000_003)
    if strays.random() < 0.4:
        writes[strays.randrange(len(writes))] = f"{strays.choice(STRAYS)}:{strays.uniform(0.05, 8.0):.3f}"
    return tuple(writes)


def _write_fault(dice: random.Random) -> str:
    kind = dice.choice(WRITE_FAULTS)
    most = {"slow": 2.9, "late": 8.0, "throttled": 3.0}.get(kind, 0.0)
    return f"{kind}:{dice.uniform(0.05, most):.3f}" if most else f"{kind}:0"


def sides(dice: random.Random, families: tuple[str, ...]) -> list[Window]:
    found: list[Window] = []
    if "sick" in families:
        found += windows(dice, ("BLUE.sick", "GREEN.sick", "GREEN.sick"), 1, 2, 40.0)
    if "digest" in families:
        found += windows(dice, ("GREEN.digest", "GREEN.digest", "BLUE.digest"), 1, 1, 40.0)
    if "flapping" in families:
        side, begins = dice.choice(("BLUE", "GREEN")), dice.uniform(0, 3)
        for number in range(dice.randint(2, 12)):
            found.append(Window(f"{side}.sick", round(begins + number * 1.5, 3), round(begins + number * 1.5 + 0.7, 3)))
    return found


def _presses(dice: random.Random, families: tuple[str, ...], *, is_race: bool) -> tuple[Press, ...]:
    times = 50 if "clicks" in families else 1
    is_one_page = dice.random() < 0.5
    switch_at = 0.5
    found = [Press(switch_at, Kind.SWITCH, dice.choice(PEOPLE[:3]), times, is_one_page)]
    if is_race:
        after = dice.choice((0.0, dice.uniform(-0.01, 0.06), dice.uniform(0, 0.6)))
        found.append(Press(round(switch_at + after, 4), Kind.ROLLBACK, dice.choice(PEOPLE), times))
    elif dice.random() < 0.75:
        after = dice.choice((0.0, dice.uniform(0, 0.2), dice.uniform(0, 2), dice.uniform(0, 16), dice.uniform(0, 45)))
        found.append(Press(round(switch_at + after, 4), Kind.ROLLBACK, dice.choice(PEOPLE), times))
        if dice.random() < 0.4:
            later = round(found[-1].at + dice.choice((0.0, dice.uniform(0, 20))), 4)
            found.append(Press(later, Kind.ROLLBACK, dice.choice(PEOPLE)))
    if "repeat" in families:
        found.append(Press(round(dice.uniform(15, 60), 3), Kind.SWITCH, dice.choice(PEOPLE[:3])))
        if dice.random() < 0.5:
            found.append(Press(round(found[-1].at + dice.uniform(0, 5), 3), Kind.ROLLBACK, dice.choice(PEOPLE)))
    return tuple(sorted(found, key=lambda press: press.at))
