"""ports.traffic for a team's own commands: one reads the weights, one sets them, one may verify."""

import asyncio
import hashlib
import json
import os
import shlex
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.domain.plan_parts import Identity
from app.domain.sides import Side, Weights
from app.ports.traffic import (
    Fence,
    Finding,
    HandStep,
    ProviderError,
    RouteOutcome,
    SideHealth,
    StaleEpoch,
    TargetReading,
)
from app.providers.exchange import TIMEOUT
from app.providers.script import answers
from app.providers.script.running import BARE, ENDING, Ran, Surroundings, run
from app.providers.side_address import BY_DIGEST, SideAddress, ask_side
from app.providers.turns import Turn, Turns

LOOK_EVERY = 0.05
"""Seconds between two looks for a newer operation while a script runs."""
HASHED = 1024 * 1024
"""Bytes of a program's file that are part of the configuration."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Argument lists; `{blue}`, `{green}` (percent) and `{epoch}` stand for themselves in those of `set` and `verify`.
    Each has its own deadline in seconds."""

    read: tuple[str, ...]
    set: tuple[str, ...]
    verify: tuple[str, ...] = ()
    read_within: float = 3.0
    set_within: float = 10.0
    verify_within: float = 5.0

    def all(self) -> tuple[tuple[str, ...], ...]:
        return tuple(command for command in (self.read, self.set, self.verify) if command)


class ScriptBalancer:
    """One attempt a call; no call retries by itself. The epoch is kept in `state_folder`, which all workers of this
    host share, whether the script keeps one or not; across hosts only a script that keeps it protects."""

    def __init__(
        self,
        name: str,
        commands: Commands,
        around: Surroundings,
        state_folder: Path,
        sides: Mapping[Side, SideAddress],
        identity: Identity = BY_DIGEST,
    ) -> None:
        self._name = name
        self._commands = commands
        self._around = around
        self._sides = sides
        self._identity = identity
        self._turns = Turns(state_folder, name, commands.set_within + commands.verify_within + ENDING)
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._routes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self._name

    async def read(self) -> TargetReading:
        command = self._commands.read
        found = answers.state(await run(command, within=self._commands.read_within, around=self._around), command[0])
        self._routes = tuple(one.route for one in found.routes)
        epoch = max(self._turns.newest, found.epoch)
        return TargetReading(found.weights(), epoch, self._configuration(found.configuration))

    async def write(self, weights: Weights, *, epoch: int, fence: Fence) -> tuple[RouteOutcome, ...]:
        """The script sets all its routes in one run, so there is one effect and one fence. A newer operation of this
        host does not wait for it: the run is ended with its whole tree, so that nothing of it comes late."""
        if not self._routes:
            await self.read()
        async with self._turns.next(epoch) as turn:
            turn.check(epoch)
            await fence()
            turn.keep(epoch)
            await self._set(weights, epoch, turn)
        return tuple(RouteOutcome(route, "applied") for route in self._routes)

    async def _set(self, weights: Weights, epoch: int, turn: Turn) -> None:
        command = _filled(self._commands.set, weights, epoch)
        ran = await self._run_unless_overtaken(command, epoch, turn)
        if ran.how == "ended" and ran.code == answers.STALE:
            raise StaleEpoch(epoch, answers.newest(ran, epoch))
        if ran.how != "ended" or ran.code != answers.APPLIED:
            is_unknown = not answers.applied_nothing(ran)
            raise self._error(ran, command, is_unknown=is_unknown, is_permanent=answers.is_refusal(ran))
        if self._commands.verify:
            command = _filled(self._commands.verify, weights, epoch)
            ran = await run(command, within=self._commands.verify_within, around=self._around)
            if ran.how != "ended" or ran.code != answers.APPLIED:
                raise self._error(ran, command, is_unknown=True, is_permanent=False)

    async def _run_unless_overtaken(self, command: Sequence[str], epoch: int, turn: Turn) -> Ran:
        running = asyncio.create_task(run(command, within=self._commands.set_within, around=self._around))
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=LOOK_EVERY)
                if (newest := turn.newer_waiting(epoch)) is not None and not running.done():
                    raise StaleEpoch(epoch, newest)
            return running.result()
        finally:
            running.cancel()
            await asyncio.wait({running})

    def _error(self, ran: Ran, command: Sequence[str], *, is_unknown: bool, is_permanent: bool) -> ProviderError:
        message = answers.failure(ran, command[0])
        routes = tuple(RouteOutcome(route, "unknown" if is_unknown else "refused", message) for route in self._routes)
        return ProviderError(message, permanent=is_permanent, unknown_outcome=is_unknown, routes=routes)

    async def preflight(self) -> tuple[Finding, ...]:
        found = [self._found(command) for command in self._commands.all()]
        title = f"The script of {self._name} tells the weights"
        try:
            reading = await self.read()
        except ProviderError as problem:
            remedy = "Run it by hand, in its folder and with an empty environment (env -i)."
            found.append(Finding("read", title, False if problem.permanent else None, problem.message, remedy))
        else:
            found.append(Finding("read", title, True, f"routes read: {len(reading.routes)}, epoch {reading.epoch}"))
        missing = [name for name in self._around.passed if name not in os.environ]
        title, remedy = "The variables that the script asks for are set", "Set them for the workers, or name fewer."
        if missing:
            found.append(Finding("environment", title, False, f"not set: {', '.join(missing)}", remedy))
        return (*found, self._turns.finding())

    def by_hand(self, weights: Weights, *, epoch: int) -> tuple[HandStep, ...]:
        place = f"cd {shlex.quote(str(self._around.folder))} && "
        steps = [
            HandStep(
                f"Set {self._name} to BLUE {weights.blue}, GREEN {weights.green}",
                place + shlex.join(_filled(self._commands.set, weights, epoch)),
            )
        ]
        if self._commands.verify:
            command = place + shlex.join(_filled(self._commands.verify, weights, epoch))
            steps.append(HandStep("Verify it; exit code 0 means yes", command))
        return tuple(steps)

    async def health(self, side: Side) -> SideHealth:
        return await ask_side(self._client, side, self._sides[side], self._identity)

    async def aclose(self) -> None:
        await self._client.aclose()

    def _configuration(self, told: str) -> str:
        """What the script says of the balancer, the command lines, and the programs themselves: a script that was
        changed after the sign-offs is drift too."""
        programs = [_hash(self._program(command)) for command in self._commands.all()]
        whole = json.dumps([told, self._commands.all(), programs])
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def _program(self, command: Sequence[str]) -> Path | None:
        named = command[0]
        if "/" not in named:
            found = shutil.which(named, path=BARE["PATH"])
            return Path(found) if found else None
        return self._around.folder / named

    def _found(self, command: Sequence[str]) -> Finding:
        program = self._program(command)
        title = f"The command {command[0]} can be run"
        if program is None or not os.access(program, os.X_OK) or not program.is_file():
            return Finding("command", title, False, "no such program, or not executable", "Check its path and mode.")
        if program.stat().st_mode & stat.S_IWOTH:
            return Finding("command", title, False, f"anybody may change {program}", f"chmod o-w {program}")
        return Finding("command", title, True, str(program))


def _filled(command: Sequence[str], weights: Weights, epoch: int) -> tuple[str, ...]:
    values = {"{blue}": str(weights.blue), "{green}": str(weights.green), "{epoch}": str(epoch)}
    filled = []
    for part in command:
        for name, value in values.items():
            part = part.replace(name, value)
        filled.append(part)
    return tuple(filled)


def _hash(program: Path | None) -> str:
    if program is None:
        return ""
    try:
        with program.open("rb") as stream:
            return hashlib.sha256(stream.read(HASHED)).hexdigest()
    except OSError:
        return ""
