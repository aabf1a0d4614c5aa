"""A script pressed as DevOps presses it: run, watched while it prints, and judged by what the product says of it."""

import asyncio
import html
import re
import time
from dataclasses import dataclass
from typing import Any

from app.drill.team import Member, WentWrong

RUN = re.compile(
    r'action="([^"]*/scripts/([\w-]+)/run)"(?:(?!</form>).)*?name="version" id="[^"]*" value="(\d+)"'
    r"(?:(?!</form>).)*?<button(?![^>]*aria-disabled)",
    re.DOTALL,
)
LOOK_EVERY_S = 0.2
BEYOND_S = 30.0
"""Real seconds beyond the script's own limit after which nobody waits any longer."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What somebody saw of a run: its output, in how many pieces it came while it ran, and how long that took."""

    text: str
    live_pieces: int
    seconds: float

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())


def offered(page: str) -> dict[str, tuple[str, str]]:
    """The scripts that a page lets somebody run now: step → (address, version)."""
    return {step: (html.unescape(action), version) for action, step, version in RUN.findall(page)}


async def press_run(member: Member, address: str, version: str, within_s: float) -> Watched:
    """Run it and watch it to its end, as a browser does: ask for what follows what one has. Raises WentWrong."""
    base = address.removesuffix("/run")
    seen = await _look(member, base, 0, 0)
    before = int(seen["run"])
    began = time.monotonic()
    await member.post(address, version=version)
    text, pieces, run, after = "", 0, before, 0
    while time.monotonic() - began < within_s + BEYOND_S:
        seen = await _look(member, base, run, after)
        if int(seen["run"]) != before:
            run, after = int(seen["run"]), int(seen["after"])
            text += str(seen["text"])
            pieces += bool(seen["text"]) and bool(seen["open"])
            if not seen["open"] and not seen["more"]:
                return Watched(text + str(seen["pending"]), pieces, time.monotonic() - began)
        if not seen["more"]:
            await asyncio.sleep(LOOK_EVERY_S)
    raise WentWrong(f"the script at {base} did not end within {within_s + BEYOND_S:.0f} s")


async def _look(member: Member, base: str, run: int, after: int) -> dict[str, Any]:
    response = await member.client.get(f"{base}/_output?run={run}&after={after}")
    if response.status_code != 200:
        raise WentWrong(f"{member.title}: the output of {base} answered {response.status_code}")
    found: dict[str, Any] = response.json()
    return found
