"""`make simulate SEEDS=20000`: the directed scenarios, many seeds of switches and a tenth as many of canaries, then the
mutants; the last line is one JSON object, the exit code 0 if all held.

`python -m tests.simulate --seed 174 --trace` shows one run; `--races` presses switch and rollback at the same moment,
or orders a share and takes the canary back; `--canary` is canaries only.
"""

import argparse
import json
import os
import sys
import time

from tests.simulate.canary_scenario import draw_canary
from tests.simulate.directed import directed
from tests.simulate.mutants import MUTANTS
from tests.simulate.pool import Tally, quieten, run_directed, run_scenario, run_seeds, try_mutants
from tests.simulate.scenario import Scenario, draw

CANARY_ONE_IN = 10


def main() -> int:
    arguments = _arguments()
    quieten()
    if arguments.directed:
        return _show(directed()[arguments.directed], is_traced=arguments.trace)
    if arguments.seed is not None:
        made = draw_canary if arguments.canary else draw
        return _show(made(arguments.seed, is_race=arguments.races), is_traced=arguments.trace)
    began = time.monotonic()
    tally = Tally()
    run_directed(tally, _say)
    jobs, races = arguments.jobs, arguments.races
    if not arguments.canary:
        run_seeds(tally, arguments.first, arguments.seeds, jobs=jobs, is_race=races, say=_say)
    count = arguments.seeds if arguments.canary else -(-arguments.seeds // CANARY_ONE_IN)
    run_seeds(tally, arguments.first, count, jobs=jobs, is_race=races, is_canary=True, say=_say)
    simulated_s = time.monotonic() - began
    mutants: dict[str, int | None] = {}
    if not arguments.no_mutants and not arguments.races:
        names = [name.replace("_", " ") for name in arguments.mutant or MUTANTS]
        mutants = try_mutants(names, jobs=arguments.jobs, is_chance=arguments.by_chance, say=_say)
    survivors = [name for name, seeds in mutants.items() if seeds is None]
    is_ok = not tally.violations and not survivors
    result = {
        "ok": is_ok,
        "runs": tally.runs,
        "violations": len(tally.violations),
        "mutants": len(mutants),
        "caught": len(mutants) - len(survivors),
        "seconds": round(time.monotonic() - began, 1),
        "runs_per_second": round(tally.runs / max(simulated_s, 0.001), 1),
        **tally.as_figures(),
    }
    if mutants:
        result["mutants_caught_after_seeds"] = mutants
    if tally.first_bad:
        result["reproduce"] = tally.first_bad
    print(json.dumps(result, ensure_ascii=False))
    return 0 if is_ok else 1


def _show(scenario: Scenario, *, is_traced: bool) -> int:
    print(scenario)
    found = run_scenario(scenario, is_traced=is_traced)
    print("\n".join((*found.trace, *found.violations, "" if found.violations else "All invariants held.")).strip())
    return 1 if found.violations else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--seeds", type=int, default=2000, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one, with its scenario")
    parser.add_argument("--directed", choices=tuple(directed()), metavar="NAME", help="only this directed scenario")
    parser.add_argument("--trace", action="store_true", help="with one run: a line for everything that happened")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="processes")
    parser.add_argument("--races", action="store_true", help="switch and rollback pressed at about the same moment")
    parser.add_argument("--canary", action="store_true", help="only canaries; with --seed, that canary")
    parser.add_argument("--no-mutants", action="store_true", help="leave out the proof of the simulator's power")
    parser.add_argument("--by-chance", action="store_true", help="hunt the mutants with seeds alone")
    parser.add_argument("--mutant", action="append", help="only this mutant; may be given several times")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
