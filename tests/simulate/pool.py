"""Many seeds in several processes, and what they add up to."""

import logging
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import structlog

import tests.simulate.canary_mutants  # noqa: F401 - puts its own into MUTANTS
from app.domain.canary import Change
from app.domain.operations import Kind, State
from app.domain.plan import Plan
from tests.known_plans import ALAWAEL
from tests.simulate.canary_books import CanaryBooks
from tests.simulate.canary_course import simulate_canary
from tests.simulate.canary_scenario import draw_canary
from tests.simulate.course import Run, leaner, simulate
from tests.simulate.directed import directed
from tests.simulate.invariants import violations
from tests.simulate.mutants import MUTANTS, put_in
from tests.simulate.scenario import Scenario, draw

CHUNK = 25
CANARY_CHUNK = 5
MUTANT_SEEDS = 3000
"""A mutant that survives as many seeds is not caught."""
CANARY_MUTANT_SEEDS = 400
"""A canary takes ten times as long as a switch."""
Say = Callable[[str], None]


def quieten() -> None:
    """The product's log has nothing to say here: the trace does."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


@cache
def plan_of_the_runs() -> Plan:
    return leaner(ALAWAEL)


@dataclass(frozen=True)
class Found:
    """One seed's violations, trace and figures."""

    violations: list[str]
    trace: list[str]
    figures: Counter[str]
    pairs: frozenset[tuple[str, str]]


def run_seed(seed: int, *, is_race: bool = False, is_canary: bool = False, is_traced: bool = False) -> Found:
    scenario = draw_canary(seed, is_race=is_race) if is_canary else draw(seed, is_race=is_race)
    return run_scenario(scenario, is_traced=is_traced)


def run_scenario(scenario: Scenario, *, is_traced: bool = False) -> Found:
    try:
        course = simulate_canary if scenario.canary is not None else simulate
        run = course(scenario, plan_of_the_runs(), is_traced=is_traced)
    except AssertionError as stuck:
        return Found([f"I9: {stuck}"], [], Counter(), frozenset())
    return Found(violations(run), run.trace, _figures(run), frozenset(run.faults))


def _figures(run: Run) -> Counter[str]:
    figures: Counter[str] = Counter()
    for (fault, _), count in run.faults.items():
        figures[f"fault {fault}"] += count
    for row in run.books.rows.values():
        operation = row.operation
        figures[f"{operation.kind} {operation.state}"] += 1
        if operation.kind is Kind.ROLLBACK:
            figures["rollbacks verified"] += operation.verified_at is not None
            figures["rollbacks escalated"] += operation.escalated_at is not None
        if operation.state is State.SUPERSEDED:
            what = "ways back that pre-empted a share" if operation.kind is Kind.SHIFT else None
            figures[what or "rollbacks that pre-empted a switch"] += 1
    if isinstance(run.books, CanaryBooks):
        figures["canaries"] += len(run.books.runs)
        for one in run.books.runs:
            figures[f"canary {one.run.state}"] += 1
        figures["canary steps passed"] += sum(told.change is Change.ADVANCE for told in run.books.told)
        figures["canary pauses"] += sum(told.change is Change.PAUSE for told in run.books.told)
    figures["operations"] += len(run.books.rows)
    figures["takeovers"] += len(run.takeovers)
    figures["balancer calls"] += len(run.outside.calls)
    figures["virtual hours"] += round(run.ended_at)
    return figures


@dataclass
class Tally:
    runs: int = 0
    violations: list[str] = field(default_factory=list)
    first_bad: str = ""
    """How to see the first run again that something was wrong with."""
    figures: Counter[str] = field(default_factory=Counter)
    pairs: set[tuple[str, str]] = field(default_factory=set)

    def add(self, name: str, found: Found, how_to_repeat: str, say: Say) -> None:
        self.runs += 1
        self.figures.update(found.figures)
        self.pairs |= found.pairs
        if found.violations:
            self.first_bad = self.first_bad or how_to_repeat
        for sentence in found.violations:
            self.violations.append(f"{name}: {sentence}")
            say(self.violations[-1])

    def as_figures(self) -> dict[str, Any]:
        faults = {name[6:]: count for name, count in sorted(self.figures.items()) if name.startswith("fault ")}
        rest = {name: count for name, count in sorted(self.figures.items()) if not name.startswith("fault ")}
        rest["virtual hours"] = round(rest.get("virtual hours", 0) / 3600)
        return {**rest, "step x fault pairs": len(self.pairs), "faults": faults}


def _chunk(work: tuple[int, int, bool, bool]) -> list[tuple[int, Found]]:
    quieten()
    first, count, is_race, is_canary = work
    seeds = range(first, first + count)
    return [(seed, run_seed(seed, is_race=is_race, is_canary=is_canary)) for seed in seeds]


def run_directed(tally: Tally, say: Say = print) -> None:
    """The scenarios that are made for one situation each."""
    for name, scenario in directed().items():
        tally.add(name, run_scenario(scenario), f'python -m tests.simulate --directed "{name}" --trace', say)


def run_seeds(
    tally: Tally,
    first: int,
    count: int,
    *,
    jobs: int,
    is_race: bool = False,
    is_canary: bool = False,
    say: Say = print,
) -> None:
    """Seeds `first` … `first + count - 1`, of switches or of canaries."""
    length = CANARY_CHUNK if is_canary else CHUNK
    starts = range(first, first + count, length)
    chunks = [(seed, min(length, first + count - seed), is_race, is_canary) for seed in starts]
    flags = f"{' --canary' if is_canary else ''}{' --races' if is_race else ''}"
    for found in _in_parallel(_chunk, chunks, jobs):
        for seed, one in found:
            name = f"canary seed {seed}" if is_canary else f"seed {seed}"
            tally.add(name, one, f"python -m tests.simulate --seed {seed}{flags} --trace", say)
        if tally.runs % 1000 < length:
            say(f"{tally.runs} runs, {len(tally.violations)} violations")


def _in_parallel(work: Callable[[Any], Any], items: list[Any], jobs: int) -> Iterator[Any]:
    if jobs <= 1:
        yield from map(work, items)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(work, items)


def hunt(name: str, seeds: int | None = None) -> int | None:
    """After how many seeds the mutant is caught: 0 if by the scenario made for it, None if it survives. Races and
    common scenarios take turns."""
    quieten()
    with put_in(name):
        if run_scenario(directed()[MUTANTS[name].by]).violations:
            return 0
        return _hunt_by_chance(name, seeds)


def hunt_by_chance(name: str, seeds: int | None = None) -> int | None:
    """As `hunt`, without the scenario that is made for it."""
    quieten()
    with put_in(name):
        return _hunt_by_chance(name, seeds)


def _hunt_by_chance(name: str, seeds: int | None) -> int | None:
    is_canary = directed()[MUTANTS[name].by].canary is not None
    most = seeds if seeds is not None else CANARY_MUTANT_SEEDS if is_canary else MUTANT_SEEDS
    return next(
        (
            number
            for number in range(1, most + 1)
            if run_seed(number, is_race=number % 2 == 0, is_canary=is_canary).violations
        ),
        None,
    )


def try_mutants(names: list[str], *, jobs: int, is_chance: bool = False, say: Say = print) -> dict[str, int | None]:
    """Each mutant with the number of seeds after which it was caught; 0 where its own scenario does it."""
    found: dict[str, int | None] = {}
    for name, seeds in _in_parallel(_chance if is_chance else _hunt, names, jobs):
        by = f"seed {seeds}" if seeds else f"{MUTANTS[name].by!r}"
        say(f"mutant {name}: {'SURVIVED' if seeds is None else f'caught by {by}'}")
        found[name] = seeds
    return {name: found[name] for name in names}


def _hunt(name: str) -> tuple[str, int | None]:
    return name, hunt(name)


def _chance(name: str) -> tuple[str, int | None]:
    return name, hunt_by_chance(name)
