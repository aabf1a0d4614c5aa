"""Job bodies of scripts: a worker takes a run, runs it, and tells what it prints while it prints it.

A run is begun once. The lease on it is renewed while it runs, and each renewal lets the script's keeper, a process of
its own, go on for a while that ends before the lease does: when the worker stands still, the script is gone before
anybody finds the lease run out. A worker that no longer has a run ends the script and records nothing.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, TypeVar

import structlog
from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, ScriptOutput, ScriptRun
from app.deployments.commands import database_now
from app.domain.plan import Action
from app.domain.scripts import LAST_LINES, State, Verdict, judge, signals_of, signals_seen
from app.eventlog.log import notify, touch
from app.ports.script import Ended, Piece, RunningScript, Scripts, machine_now
from app.ports.traffic import ProviderError
from app.scripts import commands

log = structlog.get_logger()

RENEW_EVERY_S = 0.5
RENEW_WITHIN_S = 2.0
HOLDS_S = 6.0
"""How long a script goes on after its lease was last renewed. Then TERM, and KILL after the keeper's grace of 3 s: all
of it is gone before commands.LEASE is over and another worker may begin it."""
SILENT_S = 2.0
"""So long without an answer of PostgreSQL, and no lease counts as run out for as long again: whoever holds one could
not renew it either, and comes first."""
LET_OTHERS_FIRST_S = 20.0
"""How long a worker that cannot run a script leaves it to one that can, before it says so. Counted anew while one that
can has no hand free."""
AGAIN_S = 0.3
AT_ONCE = 8
"""Scripts that one worker runs at the same time; others wait for it, or for another worker. A worker has a rollback to
drive besides."""
STOPPED_WITHIN_S = 8.0
HEAD = 2 * 1024 * 1024
TAIL = 1024 * 1024
"""Characters of a run's output that are kept: the first of it, and the last."""

STOPPED_WORDS = "The worker that ran it was stopped, and the script was ended with it, wherever it was."

Result = TypeVar("Result")


class Superseded(Exception):
    """Another worker found the lease run out. What became of the run is recorded; nothing is added to it."""


@dataclass
class Runs:
    """The scripts that this worker runs now. `scripts` is None where the site binds none."""

    database: Database
    scripts: Scripts | None
    worker: str
    running: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    at_once: int = AT_ONCE
    begun: set[int] = field(default_factory=set)
    """Of those the ones that this worker took, or is about to."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    answered_at: float | None = None
    """When PostgreSQL last answered a sweep, on `machine_now`."""
    patient_until: float = 0.0

    async def stop(self) -> None:
        """The worker ends in good order: end its scripts, and record that."""
        self.stopping.set()
        if self.running:
            await asyncio.wait(list(self.running.values()), timeout=STOPPED_WITHIN_S)

    async def ensure(self, run_id: int) -> None:
        """Run it if nobody has it; returns when it has ended."""
        await asyncio.shield(self.begin(run_id))

    def begin(self, run_id: int) -> asyncio.Task[None]:
        """Run it if nobody has it, and this process does not already."""
        found = self.running.get(run_id)
        if found is None:
            found = self.running[run_id] = asyncio.create_task(self._run(run_id), name=f"script-{run_id}")
            found.add_done_callback(lambda done: self._gone(run_id, done))
        return found

    async def sweep(self) -> None:
        """The net under the queue: runs that nobody took, and runs whose worker gives no sign of life."""
        for run_id, waited in await self.database.read(commands.find_waiting):
            if waited > AGAIN_S:
                self.begin(run_id)
        expired = await self.database.read(commands.find_expired)
        now = machine_now()
        if self.answered_at is not None and now - self.answered_at > SILENT_S:
            self.patient_until = now + SILENT_S
        self.answered_at = now
        for run_id in expired if now >= self.patient_until else ():
            if run_id not in self.running:
                log.warning("script.lost", run=run_id, worker=self.worker)
                await self.database.run(partial(commands.expire, run_id=run_id))

    def _gone(self, run_id: int, done: asyncio.Task[None]) -> None:
        self.running.pop(run_id, None)
        if not done.cancelled() and done.exception() is not None:
            log.error("script.run.failed", run=run_id, error=str(done.exception())[:500])

    async def _run(self, run_id: int) -> None:
        why_not = await self._why_not(run_id)
        if why_not is None or self.stopping.is_set():
            return
        if len(self.begun) >= self.at_once:
            if not why_not:
                await self.database.run(lambda session: commands.note_able(session, run_id))
            return
        self.begun.add(run_id)
        try:
            await self._claim_and_run(run_id, why_not)
        finally:
            self.begun.discard(run_id)

    async def _claim_and_run(self, run_id: int, why_not: str) -> None:
        until = 0.0

        async def claim(session: AsyncSession) -> ScriptRun | None:
            nonlocal until
            until = machine_now() + HOLDS_S
            return await commands.claim(session, run_id, self.worker)

        run = await self.database.run(claim)
        if run is None:
            await self.database.run(lambda session: commands.end_unbegun(session, run_id))
            return
        log.info("script.begun", run=run_id, worker=self.worker)
        action = await self.database.read(lambda session: _action_of(session, run))
        told = Telling(self.database, run, self.worker)
        try:
            ended = await self._carry_out(run, action, told, why_not, until)
            if ended.how == "lapsed":
                # Nothing of it is left, and the lease runs out by itself: then follows what follows a worker's death.
                log.warning("script.lapsed", run=run_id, worker=self.worker)
                return
            verdict = judge(
                signals_seen(action, told.seen),
                how=ended.how,
                code=ended.code,
                problem=ended.problem,
                survivors=ended.survivors,
                within_s=run.within_s,
            )
            if ended.how == "abandoned":
                verdict = Verdict(State.ABORTED, STOPPED_WORDS)
            await told.finish(verdict, ended.code)
        except Superseded:
            log.warning("script.superseded", run=run_id, worker=self.worker)

    async def _why_not(self, run_id: int) -> str | None:
        """Why this worker cannot run it, empty if it can; None to leave it to another worker for now."""

        async def look(session: AsyncSession) -> tuple[list[str], float] | None:
            found = await session.get(ScriptRun, run_id, populate_existing=True)
            if found is None or found.state != State.WAITING.value:
                return None
            waited = (await database_now(session) - (found.able_at or found.requested_at)).total_seconds()
            # Nobody runs what somebody aborted: there is no better worker to wait for.
            return [str(part) for part in found.command], inf if found.abort_at is not None else waited

        found = await self.database.read(look)
        if found is None:
            return None
        command, waited = found
        if self.scripts is None:
            why_not = "no folder of scripts is bound."
        else:
            why_not = await self.scripts.why_not(command)
        return None if why_not and waited < LET_OTHERS_FIRST_S else why_not

    async def _carry_out(self, run: ScriptRun, action: Action, told: "Telling", why_not: str, until: float) -> Ended:
        if self.scripts is None or why_not:
            problem = f"for {LET_OTHERS_FIRST_S:g} s no worker took it that can run it. This one cannot: {why_not}"
            return Ended("not started", None, problem)
        signals, fatal_from = signals_of(action)
        command = [str(part) for part in run.command]
        try:
            async with self.scripts.start(
                command, within=run.within_s, signals=signals, fatal_from=fatal_from, until=until
            ) as script:
                is_repeated = action.idempotent
                holding = asyncio.create_task(self._hold(run.id, script, until, is_repeated=is_repeated))
                try:
                    async for piece in script.pieces():
                        await told.tell(piece)
                    return script.ended
                finally:
                    holding.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await holding
        except ProviderError as problem:
            return Ended("not started", None, problem.message)

    async def _hold(self, run_id: int, script: RunningScript, until: float, *, is_repeated: bool) -> None:
        """Renew the lease, and let the script go on by it; end it when somebody aborts it, or when it is no longer this
        worker's. `is_repeated`: another worker begins it again when the lease runs out. `until`: as of the claim."""
        is_mine, is_aborted = True, False

        async def renew(session: AsyncSession) -> tuple[bool, bool]:
            nonlocal until
            asked = machine_now()  # here, because the whole of this may be run again
            found = await commands.renew(session, run_id, self.worker)
            until = asked + HOLDS_S
            return found

        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), RENEW_EVERY_S)
                script.stop()
                await asyncio.sleep(RENEW_EVERY_S)
            if machine_now() >= until:
                return  # this process stood still; the script has ended, and its lease is not held on for nothing
            asked = machine_now()
            try:
                async with asyncio.timeout(RENEW_WITHIN_S):
                    is_mine, is_aborted = await self.database.run(renew)
            except Exception as error:
                # PostgreSQL away, most likely. What is repeated ends before another worker can have the lease; what is
                # not goes on: ended in the middle for nothing but a restart of PostgreSQL, it would do more harm.
                log.warning("script.lease.unsure", run=run_id, error=str(error)[:200])
                if not is_repeated:
                    until = asked + HOLDS_S
            if is_aborted or not is_mine:
                script.stop()
            else:
                script.hold(until)


class Telling:
    """What a run prints, into the tables and to the browsers, as long as this worker has it."""

    def __init__(self, database: Database, run: ScriptRun, worker: str) -> None:
        self.seen: dict[int, tuple[int, str]] = {}
        self._database = database
        self._run_id, self._deployment_id = run.id, run.deployment_id
        self._worker = worker
        self._kept_seen: dict[str, Any] = {}
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._seq = 0 if run.begun == 1 else (run.begun - 1) * 1_000_000
        self._size = 0
        self._tail: deque[tuple[int, int]] = deque()
        self._dropped = 0

    async def tell(self, piece: Piece) -> None:
        """Raises Superseded."""
        self._last.extend(piece.text.splitlines()[-LAST_LINES:])
        self.seen |= {one.signal: (one.line, one.text) for one in piece.seen}
        gone: list[int] = []
        if piece.text:
            self._seq += 1
            gone = self._room_for(len(piece.text))
        self._kept_seen = await self._surely(lambda session: self._write(session, piece, gone))

    def _room_for(self, size: int) -> list[int]:
        """Note a piece of this size under the newest number; the numbers that have to go for it."""
        self._size += size
        if self._size <= HEAD:
            return []
        self._tail.append((self._seq, size))
        gone = []
        while sum(kept for _, kept in self._tail) > TAIL and len(self._tail) > 1:
            number, kept = self._tail.popleft()
            gone.append(number)
            self._dropped += kept
        return gone

    async def _write(self, session: AsyncSession, piece: Piece, gone: list[int]) -> dict[str, Any]:
        now = await database_now(session)
        seen = dict(self._kept_seen)
        seen |= {str(one.signal): commands.seen_at(now, one.line, one.text) for one in piece.seen}
        values = {
            "pending": piece.pending,
            "total": piece.total,
            "lines": piece.lines,
            "kept": self._size - self._dropped,
            "left_out": piece.left_out + self._dropped,
            "seen": seen,
        }
        mine = (ScriptRun.id == self._run_id, ScriptRun.worker == self._worker, ScriptRun.state == State.RUNNING.value)
        written = await session.execute(update(ScriptRun).where(*mine).values(values).returning(ScriptRun.id))
        if written.one_or_none() is None:
            raise Superseded
        if piece.text:
            row = {"run_id": self._run_id, "seq": self._seq, "text": piece.text}
            await session.execute(insert(ScriptOutput).values(row).on_conflict_do_nothing())
        if gone:
            await session.execute(
                delete(ScriptOutput).where(ScriptOutput.run_id == self._run_id, ScriptOutput.seq.in_(gone))
            )
        if seen != self._kept_seen:
            await touch(session, self._deployment_id, ("scripts",))
        word = {"run": self._run_id, "seq": self._seq}
        await notify(session, {"kind": "data", "deployment": self._deployment_id, "script": word})
        return seen

    async def finish(self, verdict: Verdict, code: int | None) -> None:
        """Raises Superseded."""
        is_recorded = await self._surely(
            lambda session: commands.finish(session, self._run_id, self._worker, verdict, code, tuple(self._last))
        )
        if not is_recorded:
            raise Superseded

    async def _surely(self, write: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """In spite of a PostgreSQL that is away; whoever finds the lease run out meanwhile supersedes us."""
        while True:
            try:
                return await self._database.run(write)
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("script.write.failed", run=self._run_id, error=str(error)[:200])
                await asyncio.sleep(AGAIN_S)


async def _action_of(session: AsyncSession, run: ScriptRun) -> Action:
    deployment = await session.get_one(Deployment, run.deployment_id)
    plan = await commands.plan_of_deployment(session, deployment)
    return commands.script_of(plan, run.phase, run.step)[1]
