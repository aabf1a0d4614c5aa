"""A poisoned plan is refused within a second and 64 MiB, its place named (reliability, 'Faults')."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.providers.plan_yaml.nodes import MAX_CHARACTERS as N
from tests.plans.breaking import MINIMAL

ROOT = Path(__file__).parents[2]
BILLION_LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(
    f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]\n" for i in range(1, 12)
)

HOSTILE = {
    "billion laughs": BILLION_LAUGHS,
    "many aliases": "a: &a x\nb:\n" + "  - *a\n" * 30_000,
    "alias to itself": "a: &a [*a]\n",
    "brackets": "[" * N,
    "braces": "{" * N,
    "brackets and braces": "[{a: " * (N // 5),
    "bracket lines": "[\n" * (N // 2),
    "dashes": "- " * (N // 2),
    "question marks": "? " * (N // 2),
    "deep indentation": "".join(" " * i + "a:\n" for i in range(700)),
    "too long": "# a\n" * N,
    "ten MiB": "a" * 10 * 1024 * 1024,
    "many entries": "- a\n" * (N // 4),
    "many fields": "".join(f"k{i}: 1\n" for i in range(N // 10)),
    "many unknown fields": MINIMAL + "".join(f"k{i}: 1\n" for i in range(9_000)),
    "one duplicate key": MINIMAL + "title: Again\n" * 7_000,
    "many documents": "---\n" * (N // 4),
    "one word": "a: " + "x" * (N - 3),
    "one quoted line": 'a: "' + "\\u0041" * ((N - 6) // 6) + '"',
    "blank block": "a: |\n" + "\n" * (N - 5),
    "blank quotes": 'a: "' + "\n" * (N - 5) + '"',
    "one comment": "#" * N,
    "comments": "#\n" * (N // 2),
    "blank lines": "\n" * N,
    "long digits": "a: " + "9" * (N - 3),
    "huge exponent": MINIMAL.replace("above: 900", "above: 1e999"),
    "tags": "a:\n" + "  - !!python/object/apply:os.system [id]\n" * 3_000,
    "anchors": "a:\n" + "  - &a x\n" * 9_000,
    "directives": "%A b\n" * (N // 5),
    "control characters": "a: \x00\x01\x02",
    "lone surrogate": "a: \ud800",
    "escaped NUL": MINIMAL.replace("title: Shop", 'title: "Shop\\0"'),
    "escaped half of a character": MINIMAL.replace("title: Shop", 'title: "Shop\\uD800"'),
    "turned question": MINIMAL.replace("text: Ready?", 'text: "Ready\\u202E?"'),
    "turned question as it is": MINIMAL.replace("text: Ready?", 'text: "Ready\u202e?"'),
    "a clock that ends the calendar": MINIMAL.replace("minute: 5", "minute: 999999999999999999"),
    "a breach longer than time": MINIMAL.replace("sustained_s: 60", "sustained_s: 1e300"),
    "read without pause": MINIMAL.replace("critical: 500", "critical: 500, every_s: 1e-9"),
    "a day that nothing comes after": MINIMAL.replace("day: 2026-02-27", "day: 9999-12-31"),
    "a strip of years": MINIMAL.replace("at_s: 0,", "at_s: 99999999999999,"),
    "broken entries": MINIMAL.replace("phases:\n", "phases:\n" + "  - {key: x, kind: y}\n" * 1_500),
    "unknown owners": MINIMAL.replace(
        "positions:\n",
        "positions:\n" + "".join(f"  - {{key: p{i}, title: P, short: P, capabilities: []}}\n" for i in range(1_000)),
    ).replace(
        "owner: lead}",
        "owner: lead}\n" + "".join(f"      - {{key: i{i}, text: T, owner: q{i}}}\n" for i in range(900)),
    ),
    "lacking rights": MINIMAL.replace(
        "owner: lead}",
        "owner: lead}\n" + "".join(f"      - {{key: i{i}, text: T, owner: pilot}}\n" for i in range(2_000)),
    ),
}


AS_SMALL_ONES = 75
"""A small plan takes a seventy-fifth of a second on a machine that does nothing else: so a second of such a machine."""


@dataclass(frozen=True)
class Cost:
    seconds: float
    yardstick: float
    mebibytes: float
    problems: list[tuple[int, int, str]]


@pytest.fixture(scope="module")
def costs() -> dict[str, Cost]:
    """What each hostile plan cost, read in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.plans.load_measured"],
        input=json.dumps(HOSTILE).encode(),
        capture_output=True,
        cwd=ROOT,
        timeout=100,
        check=True,
    )
    return {
        name: Cost(
            cost["seconds"], cost["yardstick"], cost["mebibytes"], [tuple(problem) for problem in cost["problems"]]
        )
        for name, cost in json.loads(done.stdout).items()
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_within_bounds(name: str, costs: dict[str, Cost]) -> None:
    cost = costs[name]
    assert cost.problems, "a hostile plan was taken"
    assert all(line >= 1 and column >= 1 and message for line, column, message in cost.problems)
    assert len(cost.problems) <= 201
    assert cost.seconds <= max(1.0, AS_SMALL_ONES * cost.yardstick)
    assert cost.mebibytes <= 64


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("billion laughs", (1, 5), "anchor"),
        ("alias to itself", (1, 4), "anchor"),
        ("brackets", (1, 22), "nested more than 20 deep"),
        ("too long", (65537, 1), "characters; the limit is"),
        ("one duplicate key", (84, 1), "second time; the first is on line 2"),
        ("tags", (2, 5), "is a tag"),
        ("control characters", (1, 4), "U+0000"),
        ("lone surrogate", (1, 4), "U+D800"),
        ("escaped NUL", (2, 8), "U+0000"),
        ("escaped half of a character", (2, 8), "U+D800"),
    ],
)
def test_the_refusal_names_the_place(name: str, place: tuple[int, int], words: str, costs: dict[str, Cost]) -> None:
    problems = costs[name].problems
    assert [message for line, column, message in problems if (line, column) == place and words in message]
