"""Running a team's command: an argument list, a cleared environment, bounded time and output, nothing left over."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.ports.traffic import ProviderError

KEEPER = Path(__file__).with_name("keeper.py")
KEPT = 64 * 1024
"""Bytes of each output."""
FLOOD = 64 * 1024 * 1024
"""Bytes of output after which a command is ended: it is not doing what it was asked."""
ENDING = 7.0
"""Seconds that the keeper may take beyond the deadline to end a tree."""
BARE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
SHORTEST_SECRET = 4
OWN = "GONOGO_"
"""gonogo's own variables, the database's credentials among them, are never handed on."""
SHOWN = 300

_escapes = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Ran:
    """`how`: "ended" (then `code` is its exit code; negative for a signal), "late", "flood", "abandoned" or
    "not started" (then `said` is why). `out` and `said` hold no secret; `said` is for people: what it wrote last, or
    why it did not start."""

    how: str
    code: int | None
    out: str
    is_cut: bool
    said: str
    survivors: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where commands run and what they see: the variables named in `passed`, as this process has them, and a variable
    for each of `secrets`, read from its file at each run. The values of both are never shown."""

    folder: Path
    passed: tuple[str, ...] = ()
    secrets: Mapping[str, Path] = field(default_factory=dict)

    def hidden(self) -> dict[str, str]:
        """Raises ProviderError when a secret cannot be read."""
        found = {name: os.environ[name] for name in self.passed if name in os.environ and not name.startswith(OWN)}
        for name, path in self.secrets.items():
            try:
                found[name] = path.read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as problem:
                raise ProviderError(
                    f"The secret {name} in {path} cannot be read: {problem}", permanent=True
                ) from problem
        return found


async def run(command: Sequence[str], *, within: float, around: Surroundings) -> Ran:
    """Run once and wait until nothing of it is left. Raises ProviderError when it could not be run at all.

    Cancelling ends the command's whole tree.
    """
    hidden = around.hidden()
    order = {"argv": list(command), "within": within, "keep": KEPT, "most": FLOOD}
    try:
        keeper = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(KEEPER)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**BARE, **hidden},
            cwd=around.folder,
            start_new_session=True,
        )
    except OSError as problem:
        raise ProviderError(f"{command[0]} cannot be run in {around.folder}: {problem}", permanent=True) from problem
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    try:
        async with asyncio.timeout(within + ENDING):
            keeper.stdin.write(json.dumps(order).encode() + b"\n")
            answer = await keeper.stdout.read(-1)
    except (TimeoutError, OSError):
        answer = b""
    finally:
        keeper.stdin.close()  # what still runs ends now
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(keeper.wait()), ENDING)
    return _ran(answer, hidden)


def _ran(answer: bytes, hidden: Mapping[str, str]) -> Ran:
    try:
        told: dict[str, Any] = json.loads(answer)
    except ValueError:
        return Ran("late", None, "", False, "its keeper was ended", 0)
    out, err = (_without(told[name], hidden) for name in ("out", "err"))
    last = (err or out).strip()[-SHOWN:]
    said = told["problem"] if told["how"] == "not started" else last
    is_cut = bool(told["out"]["dropped"])
    return Ran(told["how"], told["code"], out, is_cut, said, told["survivors"])


def _without(output: Mapping[str, Any], hidden: Mapping[str, str]) -> str:
    """The text with each secret's name in its place, plain, and marked where it was cut. The end of a cut text may be
    the beginning of a secret, so that much of it goes too."""
    text = _escapes.sub("", output["text"])
    secrets = {name: value for name, value in hidden.items() if len(value) >= SHORTEST_SECRET}
    if output["dropped"]:
        text = text[: len(text) - max((len(value) for value in secrets.values()), default=0)]
    for name, value in sorted(secrets.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"‹{name}›")
    return f"{text}\n… {output['dropped']} bytes more" if output["dropped"] else text
