"""The entry of the command line: `gonogo --help`.

`rollback-now` goes first and starts light: on the overloaded machine of an outage each import waits its turn. What is
typed as docs/break-glass.md says is understood here; anything else, `--help` included, is for app/command_line.py,
which knows the same options.
"""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

WORDS = {"--target": "target", "--data": "data_dir", "--reason": "reason"}
"""Options with a value → what they are in `Wish`."""
FLAGS = {
    "--yes": "is_confirmed",
    "--although-blue-is-unhealthy": "although_unhealthy",
    "--although-expired": "although_expired",
    "--use-dns": "use_dns",
}
TAKEN_ALONG = ("click", "rich")
"""httpx and structlog import these where they are installed, for things that nobody asks of them here."""


def main() -> None:
    if sys.argv[1:2] == ["rollback-now"]:
        _roll_back_now(sys.argv[2:])
    from app.command_line import main as every_command

    every_command()


def _roll_back_now(arguments: Sequence[str]) -> None:
    """Does it and ends the process; returns if it did not understand everything."""
    with contextlib.suppress(OSError):
        # Where the user may, it goes before all else on this machine.
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    wish = understood(arguments)
    if wish is None:
        return
    for name in TAKEN_ALONG:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # Python's way to say: not there

    from app.rollback_now import Wish, to_the_end

    to_the_end(Wish(**wish))


def understood(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The fields of `Wish` that were asked for; None where anything is left to explain to a person."""
    from pathlib import Path

    found: dict[str, Any] = {"data_dir": None, "target": "", "reason": "", **dict.fromkeys(FLAGS.values(), False)}
    left = list(arguments)
    while left:
        name, has_value, value = left.pop(0).partition("=")
        if name in FLAGS and not has_value:
            found[FLAGS[name]] = True
            continue
        if name not in WORDS:
            return None
        if not has_value:
            if not left or left[0].startswith("-"):
                return None
            value = left.pop(0)
        found[WORDS[name]] = Path(value) if name == "--data" else value
    return found


if __name__ == "__main__":
    main()
