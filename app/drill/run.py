"""The course of a drill, its faults, and its judgement."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database, make_engine
from app.db.tables import Deployment, Event, Operation, OperationCheck, PlanVersion, Reading, TargetState
from app.domain.operations import State
from app.drill.fired import AFTERWARDS_S, TRIGGER_FAULTS, what_fired
from app.drill.team import Result, Team, WentWrong, as_ms, gather_team, sign_off, tick
from app.providers.range_control import RangeControl
from app.rehearsal.supervisor import Installation
from app.web.access import plan_of

AWS_FAULTS: dict[str, list[dict[str, Any]]] = {
    "aws-throttled": [{"kind": "error", "code": "Throttling", "percent": 50}],
    "dns-refused": [{"kind": "error", "code": "AccessDenied", "status": 403, "operation": "ChangeResourceRecordSets"}],
}
"""Faults of the simulated AWS alone: half of all calls throttled; DNS that takes no change."""
FAULTS = ("", "green-slow", "green-dead", "worker-kill", "postgres-restart", *TRIGGER_FAULTS, *AWS_FAULTS)
GREEN_SLOW_MS = 1500

Value = TypeVar("Value")


class Drill:
    """One rehearsal from the first sign-off to the verified rollback. What of it others do differently, they override:
    `course`."""

    within_s: float = 300

    def __init__(self, installation: Installation, fault: str, target: str = "agent") -> None:
        self._installation, self._fault, self._target = installation, fault, target
        self._database = Database(make_engine(installation.environment["GONOGO_DATABASE_URL"], pool_size=3))
        self._control = RangeControl(
            f"http://127.0.0.1:{installation.ports.control}", installation.range_folder / "control.token"
        )
        self._began = time.monotonic()
        self._shortfalls: list[str] = []
        self._said_up_to = 0
        self._result: Result = {"ok": False, "fault": fault or None}

    async def run(self) -> Result:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._database.aclose)
            stack.push_async_callback(self._control.aclose)
            teller = asyncio.create_task(self._tell_for_ever())
            try:
                async with asyncio.timeout(self.within_s):
                    await self.course(stack)
            except (WentWrong, TimeoutError) as error:
                self._fall_short(str(error) or f"the drill took longer than {self.within_s:.0f} s")
            teller.cancel()
            await asyncio.gather(teller, return_exceptions=True)
            await self._say_events()
            await self._count_customers()
        self._result["ok"] = not self._shortfalls
        self._result["shortfalls"] = self._shortfalls
        self._result["seconds"] = round(time.monotonic() - self._began, 1)
        return self._result

    # ── telling ─────────────────────────────────────────────────────────────

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:7.2f} s  {text}", flush=True)

    def _fall_short(self, text: str) -> None:
        self._shortfalls.append(text)
        self._say(f"FELL SHORT: {text}")

    def _expect(self, condition: bool, text: str) -> None:
        if not condition:
            self._fall_short(text)

    async def _tell_for_ever(self) -> None:
        while True:
            with contextlib.suppress(DBAPIError):
                await self._say_events()
            await asyncio.sleep(0.2)

    async def _say_events(self) -> None:
        """Print what the log has to say since the last time."""

        async def query(session: AsyncSession) -> list[Event]:
            statement = select(Event).where(Event.chain > 0, Event.id > self._said_up_to).order_by(Event.id)
            return list((await session.scalars(statement)).all())

        for event in await self._database.read(query):
            self._said_up_to = event.id
            self._say(f"{event.actor}: {event.text}")

    # ── the course ──────────────────────────────────────────────────────────

    async def course(self, stack: AsyncExitStack) -> None:
        team = await self._gather(stack)
        await self._sign_off(team)
        await self._before_switch()
        switch = await self._switch(team)
        if self._fault == "green-dead":
            await self._judge_refusal(switch)
            return
        if self._fault in TRIGGER_FAULTS:
            await self._let_trigger_fire(switch)
            return
        rollback = await self._roll_back(team)
        self._judge(switch, rollback)
        if self._target == "aws":
            await self._judge_dns(switch)

    async def _gather(self, stack: AsyncExitStack) -> Team:
        """Everybody on the roster of the newest deployment, once it is watched."""
        statement = select(Deployment).order_by(Deployment.id.desc()).limit(1)
        deployment = await self._until(lambda session: session.scalar(statement), 20, "a deployment")
        version = await self._database.read(lambda session: session.get_one(PlanVersion, deployment.plan_version_id))
        self._id, self._plan = deployment.id, plan_of(version)
        team = await gather_team(self._installation.url, deployment.id)
        stack.push_async_callback(team.aclose)
        self._say(f"{len(team.members)} people are signed in")
        await self._until(self._is_measured, 40, "both sides are measured")
        return team

    async def _is_measured(self, session: AsyncSession) -> bool:
        state = await session.scalar(select(TargetState))
        readings = await session.scalar(select(func.count()).select_from(Reading).where(Reading.value.is_not(None)))
        return bool(
            state and state.blue_is_healthy and state.green_is_healthy and state.probed_at and (readings or 0) >= 40
        )

    async def _sign_off(self, team: Team) -> None:
        ticked = 0
        for member in team.members.values():
            ticked += await tick(member, self._plan.production.checklist or "")
        self._say(f"{ticked} checklist items confirmed")
        signers = team.signers(self._plan)
        for member in signers:
            await sign_off(member)
        await team.who(self._plan, "proceed").post("/proceed")
        await team.who(self._plan, "arm").post("/arm")
        self._result["signoffs"] = len(signers)
        self._result["checklist_items"] = ticked

    async def _before_switch(self) -> None:
        if self._fault == "green-dead":
            await self._control.set_knobs({"green": {"dead": True}})
            self._say("fault: GREEN is dead")
        if self._fault in AWS_FAULTS:
            await self._control.set_knobs({"aws": {"faults": AWS_FAULTS[self._fault]}})
            self._say(f"fault: {self._fault}")

    async def _switch(self, team: Team) -> Operation:
        await team.who(self._plan, "switch").post("/switch", confirm="yes")
        operation = await self._newest("switch")
        await self._strike(operation.id)
        if self._fault == "green-slow":
            await self._until(lambda session: self._has(session, operation.id, "observed_100_at"), 20, "arrival")
            await self._control.set_knobs({"green": {"latency_ms": GREEN_SLOW_MS}})
            self._say(f"fault: GREEN is {GREEN_SLOW_MS} ms slower")
        finished = await self._finished(operation.id, 60)
        self._result["switch_ms"] = _times(finished)
        self._result["switch_state"] = finished.state
        return finished

    async def _roll_back(self, team: Team) -> Operation:
        await team.who(self._plan, "rollback").post("/rollback")
        operation = await self._newest("rollback")
        if self._fault == "worker-kill":
            await self._kill_driver(operation.id)
        finished = await self._finished(operation.id, 60)
        self._result["rollback_ms"] = {**_times(finished), "verified": as_ms(_since(finished, finished.verified_at))}
        self._result["rollback_state"] = finished.state
        return finished

    # ── faults ──────────────────────────────────────────────────────────────

    async def _strike(self, operation_id: int) -> None:
        if self._fault == "worker-kill":
            await self._kill_driver(operation_id)
        if self._fault == "postgres-restart":
            self._say("fault: PostgreSQL is killed")
            await asyncio.to_thread(self._installation.postgres.kill)
            gone = time.monotonic()
            await asyncio.to_thread(self._installation.postgres.restart)
            self._say(f"PostgreSQL is back after {time.monotonic() - gone:.1f} s")
            back = time.monotonic()
            await self._until(
                lambda session: self._has(session, operation_id, "observed_100_at"), 20, "the switch's end"
            )
            resolved = time.monotonic() - back
            self._result["resolved_s_after_postgres"] = round(resolved, 2)
            self._expect(resolved <= 10, f"the switch was resolved {resolved:.1f} s after PostgreSQL was back")

    async def _kill_driver(self, operation_id: int) -> None:
        """SIGKILL the worker that holds the operation, and measure until another one has it."""
        owner = await self._until(lambda session: _owner(session, operation_id), 5, "a worker takes the operation")
        number = int(owner.partition(".")[0].rpartition("-")[2])
        killed = time.monotonic()
        await asyncio.to_thread(self._installation.kill_worker, number)
        self._say(f"fault: {owner} is killed")

        async def taken(session: AsyncSession) -> bool:
            row = await session.get_one(Operation, operation_id)
            return row.lease_owner not in ("", owner) or row.finished_at is not None

        await self._until(taken, 10, "another worker takes over")
        takeover = time.monotonic() - killed
        self._result.setdefault("takeover_ms", []).append(round(takeover * 1000))
        self._expect(takeover <= 3, f"the takeover took {takeover:.1f} s; the limit is 3 s")

    async def _let_trigger_fire(self, switch: Operation) -> None:
        """Break GREEN, touch nothing, and see the product roll back by itself: once, verified, and no failure after."""
        fault = TRIGGER_FAULTS[self._fault]
        before = (await self._control.customers())["failed"]
        broken = time.monotonic()
        await self._control.set_knobs({"green": dict(fault.knobs)})
        self._say(f"fault: {fault.text}; the plan's own trigger, nobody presses")
        statement = select(Operation).where(Operation.kind == "rollback").order_by(Operation.id).limit(1)
        operation = await self._until(
            lambda session: session.scalar(statement), fault.within_s, "an automatic rollback"
        )
        self._result["fault_to_rollback_s"] = round(time.monotonic() - broken, 2)
        self._say(f"the trigger fired {self._result['fault_to_rollback_s']} s after the fault")
        await self._until(lambda session: self._has(session, operation.id, "observed_100_at"), 20, "all on BLUE")
        await asyncio.sleep(AFTERWARDS_S)
        settled = (await self._control.customers())["failed"]
        rollback = await self._finished(operation.id, 60)
        self._result["rollback_ms"] = {**_times(rollback), "verified": as_ms(_since(rollback, rollback.verified_at))}
        self._judge(switch, rollback)
        found = await self._database.read(lambda session: what_fired(session, rollback))
        self._result["trigger"] = found.as_result()
        for shortfall in found.shortfalls(fault):
            self._fall_short(shortfall)
        self._result["failed_by_fault"] = settled - before
        late = (await self._control.customers())["failed"] - settled
        self._expect(late == 0, f"{late} customers' requests failed after all traffic was on BLUE again")

    # ── judgement ───────────────────────────────────────────────────────────

    async def _judge_refusal(self, switch: Operation) -> None:
        """GREEN was dead: nothing may have been written, and the page says why."""
        self._expect(switch.state == State.REFUSED, f"the switch ended {switch.state}, not refused")
        self._expect(switch.written_at is None, "something was written although GREEN was dead")
        self._expect("GREEN" in switch.reason, f"the reason does not name GREEN: {switch.reason!r}")
        state = await self._database.read(lambda session: session.scalar(select(TargetState)))
        self._expect(state is not None and state.set_blue == 100, "the balancer is not all on BLUE")
        self._result["reason"] = switch.reason

    def _judge(self, switch: Operation, rollback: Operation) -> None:
        self._expect(switch.state == State.DONE, f"the switch ended {switch.state}: {switch.reason}")
        took = _since(switch, switch.observed_100_at)
        self._expect(
            took is not None and took < (15 if self._fault else 5), f"the switch took {took} s; the limit is 5 s"
        )
        self._expect(rollback.state == State.DONE, f"the rollback ended {rollback.state}: {rollback.reason}")
        verified = _since(rollback, rollback.verified_at)
        self._expect(verified is not None and verified < 30, f"the rollback was verified after {verified} s of 30 s")
        if self._fault == "green-slow":
            self._expect(bool(switch.reason), "no line of the strip said that GREEN was slow")
            self._result["reason"] = switch.reason

    async def _judge_dns(self, switch: Operation) -> None:
        """The split was named within 2 s of the switch's write, and in the end DNS is where the balancer is."""
        await self._control.set_knobs({"aws": {"faults": []}})

        async def is_together(session: AsyncSession) -> bool:
            state = (await session.scalars(select(TargetState))).one()
            return (state.follower_state, state.follower_blue) == ("in_sync", 100)

        await self._until(is_together, 40, "DNS in sync on BLUE")
        told = select(Event).where(Event.kind.like("traffic.follower.%")).order_by(Event.id)

        async def query(session: AsyncSession) -> list[Event]:
            return list((await session.scalars(told)).all())

        events = await self._database.read(query)
        after = {event.kind.rpartition(".")[2]: _since_written(switch, event) for event in reversed(events)}
        named = after.get("refused", after.get("pending"))
        self._result["dns_ms"] = {state: as_ms(seconds) for state, seconds in after.items()}
        self._expect(named is not None and named <= 2, f"the split was named {named} s after the write, limit 2 s")

    async def _count_customers(self) -> None:
        """The customers' own books, over the whole drill."""
        counted = await self._control.customers()
        self._result["requests"], self._result["failed"] = counted["requests"], counted["failed"]
        self._expect(counted["requests"] > 0, "no customer sent a request")
        caused = self._result.get("failed_by_fault", 0)
        failed = counted["failed"] - caused
        self._expect(failed == 0, f"{failed} customers' requests failed, beside the {caused} that GREEN's fault failed")

    # ── waiting for facts ───────────────────────────────────────────────────

    async def _until(
        self, query: Callable[[AsyncSession], Awaitable[Value | None]], within_s: float, what: str
    ) -> Value:
        """Ask the database until the answer is truthy. Raises WentWrong."""
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            found = await self._database.read(query)
            if found:
                return found
            await asyncio.sleep(0.05)
        raise WentWrong(f"not seen within {within_s:.0f} s: {what}")

    async def _newest(self, kind: str) -> Operation:
        statement = select(Operation).where(Operation.kind == kind).order_by(Operation.id.desc()).limit(1)
        return await self._until(lambda session: session.scalar(statement), 5, f"a {kind} is recorded")

    async def _has(self, session: AsyncSession, operation_id: int, name: str) -> bool:
        return getattr(await session.get_one(Operation, operation_id), name) is not None

    async def _finished(self, operation_id: int, within_s: float) -> Operation:
        async def query(session: AsyncSession) -> Operation | None:
            row = await session.get_one(Operation, operation_id)
            return row if row.finished_at is not None else None

        try:
            return await self._until(query, within_s, f"operation {operation_id} ends")
        finally:
            await self._say_checks(operation_id)

    async def _say_checks(self, operation_id: int) -> None:
        async def query(session: AsyncSession) -> list[OperationCheck]:
            statement = select(OperationCheck).where(OperationCheck.operation_id == operation_id)
            return list((await session.scalars(statement.order_by(OperationCheck.at))).all())

        for check in await self._database.read(query):
            self._say(f"  {check.state.upper():8}{check.name}: {check.found} ({check.proof})")


async def _owner(session: AsyncSession, operation_id: int) -> str:
    return (await session.get_one(Operation, operation_id)).lease_owner


def _since(operation: Operation, at: datetime | None) -> float | None:
    return None if at is None else (at - operation.clicked_at).total_seconds()


def _since_written(operation: Operation, event: Event) -> float | None:
    return None if operation.written_at is None else (event.at - operation.written_at).total_seconds()


def _times(operation: Operation) -> dict[str, Any]:
    """Milliseconds from the press; `accepted` is the balancer's yes."""
    return {
        "accepted": as_ms(_since(operation, operation.written_at)),
        "observed_95": as_ms(_since(operation, operation.observed_95_at)),
        "observed_99": as_ms(_since(operation, operation.observed_99_at)),
        "observed_100": as_ms(_since(operation, operation.observed_100_at)),
    }
