"""What every worker does about capsules: keep one of each armed target on its own disk, renewed every few seconds, and
take in what break-glass left in its spool."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.deployments.commands import database_now
from app.domain.capsule import Order, Step
from app.domain.card import card_text
from app.domain.plan import Plan
from app.domain.sides import Release, Side, Weights
from app.domain.spool import Line, SpoolDamaged
from app.ports.clock import Clock
from app.ports.traffic import HandStep
from app.providers import capsule_file, spool_file
from app.providers.capsule_file import CapsuleFolder
from app.providers.spool_file import SpoolFolder, is_written_still, read_spool
from app.traffic.commands_break_glass import UnknownDeployment, take_in
from app.traffic.commands_capsule import forget_capsules, report_capsule
from app.traffic.queries_capsule import Armed, armed_now, order_of
from app.traffic.tasks import releases_of

log = structlog.get_logger()

RENEW_EVERY_S = 4.0


@dataclass(frozen=True, slots=True)
class Place:
    """How a target is bound here: its part of site.yaml, the hosts named there, and its rollback by hand."""

    binding: Mapping[str, Any]
    hosts: tuple[str, ...]
    by_hand: Callable[[Weights, int], tuple[HandStep, ...]]


Describe = Callable[[Plan, str, dict[Side, Release]], Place]


@dataclass
class Capsules:
    """One worker's. `worker` is its name in this installation, the same after a restart."""

    database: Database
    clock: Clock
    data_dir: Path
    key: bytes
    worker: str
    describe: Describe
    host: str = field(default_factory=socket.gethostname)
    _written: dict[str, tuple[Order, float]] = field(default_factory=dict)
    _addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _has_reported: bool = True

    @property
    def folder(self) -> CapsuleFolder:
        return CapsuleFolder(self.data_dir / capsule_file.FOLDER)

    @property
    def spools(self) -> SpoolFolder:
        return SpoolFolder(self.data_dir / spool_file.FOLDER)

    async def keep(self) -> None:
        """One round: renew what is armed, take away what is not. Raises when the database is away: what is on the disk
        then stays, because that is what it is for."""
        armed, now = await self.database.read(_armed_and_now)
        for one in armed:
            await self._keep_one(one, now)
        await self._remove_all_but(frozenset(one.deployment.target for one in armed))

    async def _keep_one(self, armed: Armed, now: datetime) -> None:
        place = self.describe(armed.plan, armed.deployment.target, releases_of(armed.deployment))
        known = self._written.get(armed.deployment.target)
        is_due = known is None or self.clock.monotonic() - known[1] >= RENEW_EVERY_S
        draft = await self._order(armed, now, place, resolve=is_due)
        if known is not None and not is_due and known[0].says_the_same(draft):
            return
        problem = await asyncio.to_thread(self._put, draft)
        if problem:
            log.error("capsule.not_renewed", target=draft.target, problem=problem)
        else:
            self._written[draft.target] = (draft, self.clock.monotonic())
        await self.database.run(
            lambda session: report_capsule(
                session,
                draft,
                worker=self.worker,
                host=self.host,
                written_at=None if problem else now,
                problem=problem,
            )
        )
        self._has_reported = True

    async def _order(self, armed: Armed, now: datetime, place: Place, *, resolve: bool) -> Order:
        if resolve:
            await asyncio.gather(*(self._resolve(host) for host in place.hosts))
        addresses = {host: self._addresses[host] for host in place.hosts if host in self._addresses}
        draft = order_of(
            armed,
            now,
            here=self.clock.now(),
            binding=place.binding,
            addresses=addresses,
            by_hand=(),
            worker=self.worker,
            host=self.host,
        )
        steps = place.by_hand(draft.weights, draft.epoch)
        return draft.model_copy(update={"by_hand": tuple(Step(text=s.text, command=s.command) for s in steps)})

    def _put(self, order: Order) -> str:
        """Capsule, card and reserved room on this disk; what went wrong, or an empty text."""
        try:
            self.folder.put(order, card_text(order), self.key)
            self.spools.reserve()
        except OSError as problem:
            return f"{problem.strerror or problem} ({self.data_dir})"
        return ""

    async def _resolve(self, host: str) -> None:
        """Learn the addresses of a host; the last known ones stay where the name service does not answer."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
            # Sorted: a name service may turn the order at each question, and that is no change.
            self._addresses[host] = tuple(sorted({str(entry[4][0]) for entry in found}))

    async def _remove_all_but(self, targets: frozenset[str]) -> None:
        self._written = {target: order for target, order in self._written.items() if target in targets}
        await asyncio.to_thread(self.folder.remove_all_but, targets)
        if not targets:
            await asyncio.to_thread(self.spools.release)
        if self._has_reported:
            await self.database.run(lambda session: forget_capsules(session, self.worker, targets))
            self._has_reported = bool(targets)

    # ── what break-glass left ───────────────────────────────────────────────

    async def take_in(self) -> None:
        """Every spool on this disk, each line exactly once; a run whose process has ended is put away."""
        for path in await asyncio.to_thread(self.spools.runs):
            try:
                lines, is_over = await asyncio.to_thread(_read, path, self.key)
                if lines:
                    await self.database.run(partial(take_in, lines=lines, is_over=is_over, worker=self.worker))
            except FileNotFoundError:
                continue  # another worker of this machine put it away
            except SpoolDamaged as problem:
                log.error("break_glass.spool.damaged", spool=str(path), problem=str(problem))
                await asyncio.to_thread(self.spools.put_away, path, ".damaged")
                continue
            except UnknownDeployment as problem:
                log.error("break_glass.spool.stranger", spool=str(path), problem=str(problem))
                await asyncio.to_thread(self.spools.put_away, path, ".stranger")
                continue
            if is_over:
                await asyncio.to_thread(self.spools.put_away, path)


def _read(path: Path, key: bytes) -> tuple[list[Line], bool]:
    """The lines, and whether they are all: asked in this order, nothing can be written in between."""
    is_over = not is_written_still(path)
    return read_spool(path, key), is_over


async def _armed_and_now(session: AsyncSession) -> tuple[list[Armed], datetime]:
    return await armed_now(session), await database_now(session)
