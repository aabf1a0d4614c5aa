"""Run the benchmarks named on the command line and print one table; the last line is one JSON object.

`python -m tests.bench [moves] [live] [pages] [triggers] [breakglass] [providers] [--rounds 20] [--json FILE]`
`python -m tests.bench latency [--rounds 200]`
`python -m tests.bench races [--rounds 100] [--requests 100000] [--rate 200]`

Without a name: all of the first line. `providers` runs once for each target that a range can have, and says so where
one cannot be started here.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from app.rehearsal.site_file import TARGETS, RangeTarget, is_target
from app.rehearsal.supervisor import Installation, StartFailed
from tests.bench.break_glass import measure_break_glass
from tests.bench.latency import measure_latency
from tests.bench.live import measure_live
from tests.bench.moves import measure_moves, measure_provider
from tests.bench.pages import measure_pages
from tests.bench.races import measure_races
from tests.bench.triggers import measure_triggers

BASE_PORT = 8800
PORTS_APART = 10
CUSTOMERS = 120
LANES = 2
CUSTOMERS_A_LANE = 15
ROUNDS = 20
ROUNDS_OF = {"triggers": 10, "breakglass": 50, "latency": 200, "races": 100}
Found = dict[str, Any]
Measure = Callable[[Installation, int], Coroutine[Any, Any, Found]]
PARTS: dict[str, Measure] = {
    "moves": measure_moves,
    "live": measure_live,
    "pages": measure_pages,
    "triggers": measure_triggers,
    "breakglass": measure_break_glass,
}
PARTS |= {f"providers:{target}": measure_provider for target in TARGETS}
LONG = ("latency", "races")
"""Only when they are named."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("parts", nargs="*", help=f"{', '.join([*PARTS, *LONG])}; or providers, for all of them")
    parser.add_argument("--rounds", type=int, help=f"switches and rollbacks, each; {ROUNDS} by default, {ROUNDS_OF}")
    parser.add_argument("--requests", type=int, default=0, help="races: go on until customers had so many answers")
    parser.add_argument("--rate", type=int, default=CUSTOMERS, help="customers' requests a second")
    parser.add_argument("--lanes", type=int, default=LANES, help="latency: installations side by side")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    figures: Found = {"machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"}
    for name in _chosen(arguments.parts, parser):
        figures[name] = _measured(name, arguments)
    print()
    for name, rows in figures.items():
        if isinstance(rows, dict):
            for what, value in rows.items():
                print(f"{name:17} {what:60} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(figures, ensure_ascii=False))
    return 0 if all(rows.get("ok", True) for rows in figures.values() if isinstance(rows, dict)) else 1


def _chosen(asked: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """A part by its name, or several by what is before their colon."""
    known = [*PARTS, *LONG]
    found = [name for one in asked for name in known if one in (name, name.partition(":")[0])]
    for one in asked:
        if one not in {name.partition(":")[0] for name in known} | set(known):
            parser.error(f"no part {one!r}: {', '.join(known)}")
    return found or list(PARTS)


def _measured(name: str, arguments: argparse.Namespace) -> Found:
    """Each in installations of its own."""
    rounds = ROUNDS_OF.get(name, ROUNDS) if arguments.rounds is None else arguments.rounds
    target = name.partition(":")[2] or "agent"
    assert is_target(target)
    try:
        if name == "latency":
            with _installations("aws", min(arguments.lanes, rounds), CUSTOMERS_A_LANE, workers=1) as lanes:
                return asyncio.run(measure_latency(lanes, rounds))
        measure = partial(measure_races, requests=arguments.requests) if name == "races" else PARTS[name]
        with _installations(target, 1, arguments.rate) as (installation,):
            return asyncio.run(measure(installation, rounds))
    except StartFailed as problem:
        return {"not measured": str(problem).splitlines()[0]}


@contextlib.contextmanager
def _installations(target: RangeTarget, count: int, rate: int, *, workers: int = 2) -> Iterator[list[Installation]]:
    """Started one after the other, ended together with their folders."""
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(count):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gonogo-bench-"))
            port = BASE_PORT + PORTS_APART * number
            made = Installation(Path(folder), base_port=port, customers_rps=rate, target=target, workers=workers)
            found.append(stack.enter_context(made))
        yield found


if __name__ == "__main__":
    sys.exit(main())
