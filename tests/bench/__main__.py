"""Run the benchmarks named on the command line (all by default) and print one table.

`python -m tests.bench [moves] [live] [pages] [--rounds 20] [--json FILE]`
"""

import argparse
import asyncio
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from app.rehearsal.supervisor import Installation
from tests.bench.live import measure_live
from tests.bench.moves import measure_moves
from tests.bench.pages import measure_pages

BASE_PORT = 8800
CUSTOMERS = 120
PARTS = {"moves": measure_moves, "live": measure_live, "pages": measure_pages}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="moves, live, pages")
    parser.add_argument("--rounds", type=int, default=20, help="switches and rollbacks, each")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    }
    with tempfile.TemporaryDirectory(prefix="gonogo-bench-") as folder:
        for name in arguments.parts or PARTS:
            data = Path(folder) / name
            with Installation(data, base_port=BASE_PORT, customers_rps=CUSTOMERS) as installation:
                figures[name] = asyncio.run(PARTS[name](installation, arguments.rounds))
    print()
    for name, rows in figures.items():
        if isinstance(rows, dict):
            for what, value in rows.items():
                print(f"{name:6} {what:52} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
