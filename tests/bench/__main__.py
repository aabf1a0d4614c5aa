"""Run the benchmarks named on the command line (all by default) and print one table.

`python -m tests.bench [moves] [live] [pages] [triggers] [breakglass] [providers] [--rounds 20] [--json FILE]`

`providers` runs once for each target that a range can have, and says so where one cannot be started here.
"""

import argparse
import asyncio
import json
import os
import platform
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from app.rehearsal.site_file import TARGETS, RangeTarget, is_target
from app.rehearsal.supervisor import Installation, StartFailed
from tests.bench.break_glass import measure_break_glass
from tests.bench.live import measure_live
from tests.bench.moves import measure_moves
from tests.bench.pages import measure_pages
from tests.bench.providers import measure_provider
from tests.bench.triggers import measure_triggers

BASE_PORT = 8800
CUSTOMERS = 120
Measure = Callable[[Installation, int], Coroutine[Any, Any, dict[str, Any]]]
PARTS: dict[str, Measure] = {
    "moves": measure_moves,
    "live": measure_live,
    "pages": measure_pages,
    "triggers": measure_triggers,
    "breakglass": measure_break_glass,
}
PARTS |= {f"providers:{target}": measure_provider for target in TARGETS}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; or providers, for all of them")
    parser.add_argument("--rounds", type=int, default=20, help="switches and rollbacks, each")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    }
    for name in _chosen(arguments.parts, parser):
        target = name.partition(":")[2] or "agent"
        assert is_target(target)
        figures[name] = _measure(PARTS[name], target, arguments.rounds)
    print()
    for name, rows in figures.items():
        if isinstance(rows, dict):
            for what, value in rows.items():
                print(f"{name:17} {what:60} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _chosen(asked: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """A part by its name, or several by what is before their colon."""
    found = [name for one in asked for name in PARTS if one in (name, name.partition(":")[0])]
    for one in asked:
        if one not in {name.partition(":")[0] for name in PARTS} | set(PARTS):
            parser.error(f"no part {one!r}: {', '.join(PARTS)}")
    return found or list(PARTS)


def _measure(measure: Measure, target: RangeTarget, rounds: int) -> dict[str, Any]:
    """Each in an installation of its own."""
    with tempfile.TemporaryDirectory(prefix="gonogo-bench-") as folder:
        installation = Installation(Path(folder), base_port=BASE_PORT, customers_rps=CUSTOMERS, target=target)
        try:
            with installation:
                return asyncio.run(measure(installation, rounds))
        except StartFailed as problem:
            return {"not measured": str(problem).splitlines()[0]}


if __name__ == "__main__":
    main()
