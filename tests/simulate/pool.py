"""Many seeds in several processes, and what they add up to."""

import logging
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import structlog

from app.domain.operations import Kind, State
from app.domain.plan import Plan
from tests.known_plans import ALAWAEL
from tests.simulate.course import Run, leaner, simulate
from tests.simulate.directed import directed
from tests.simulate.invariants import violations
from tests.simulate.mutants import MUTANTS, put_in
from tests.simulate.scenario import Scenario, draw

CHUNK = 25
MUTANT_SEEDS = 3000
"""A mutant that survives as many seeds is not caught."""
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


def run_seed(seed: int, *, is_race: bool = False, is_traced: bool = False) -> Found:
    return run_scenario(draw(seed, is_race=is_race), is_traced=is_traced)


def run_scenario(scenario: Scenario, *, is_traced: bool = False) -> Found:
    try:
        run = simulate(scenario, plan_of_the_runs(), is_traced=is_traced)
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
        figures["rollbacks that pre-empted a switch"] += operation.state is State.SUPERSEDED
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


def _chunk(work: tuple[int, int, bool]) -> list[tuple[int, Found]]:
    quieten()
    first, count, is_race = work
    return [(seed, run_seed(seed, is_race=is_race)) for seed in range(first, first + count)]


def run_directed(tally: Tally, say: Say = print) -> None:
    """The scenarios that are made for one situation each."""
    for name, scenario in directed().items():
        tally.add(name, run_scenario(scenario), f'python -m tests.simulate --directed "{name}" --trace', say)


def run_seeds(tally: Tally, first: int, count: int, *, jobs: int, is_race: bool = False, say: Say = print) -> None:
    """Seeds `first` … `first + count - 1`."""
    chunks = [(seed, min(CHUNK, first + count - seed), is_race) for seed in range(first, first + count, CHUNK)]
    for found in _in_parallel(_chunk, chunks, jobs):
        for seed, one in found:
            repeat = f"python -m tests.simulate --seed {seed}{' --races' if is_race else ''} --trace"
            tally.add(f"seed {seed}", one, repeat, say)
        if tally.runs % 1000 < CHUNK:
            say(f"{tally.runs} runs, {len(tally.violations)} violations")


def _in_parallel(work: Callable[[Any], Any], items: list[Any], jobs: int) -> Iterator[Any]:
    if jobs <= 1:
        yield from map(work, items)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(work, items)


def hunt(name: str, seeds: int = MUTANT_SEEDS) -> int | None:
    """After how many seeds the mutant is caught: 0 if by the scenario made for it, None if it survives. Races and
    common scenarios take turns."""
    quieten()
    with put_in(name):
        if run_scenario(directed()[MUTANTS[name].by]).violations:
            return 0
        return _hunt_by_chance(seeds)


def hunt_by_chance(name: str, seeds: int = MUTANT_SEEDS) -> int | None:
    """As `hunt`, without the scenario that is made for it."""
    quieten()
    with put_in(name):
        return _hunt_by_chance(seeds)


def _hunt_by_chance(seeds: int) -> int | None:
    numbers = range(1, seeds + 1)
    return next((number for number in numbers if run_seed(number, is_race=number % 2 == 0).violations), None)


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
