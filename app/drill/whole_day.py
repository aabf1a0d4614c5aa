"""The whole day unattended: every phase of the plan in its order, with a rollback and a second attempt in between.

Everybody does what their own page offers; DevOps presses Run on the scripts and watches them. The plan's clock is set
ahead from mark to mark, so that seven days take seconds, or runs at a factor and nothing of it is skipped; traffic,
health checks, scripts and votes stay on the real clock.
"""

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.queries import newest_run
from app.db.tables import CanaryRun, Decision, Deployment, PhaseRun
from app.domain.canary import State as CanaryState
from app.domain.phases import State
from app.domain.plan import Phase, Plan
from app.domain.plan_clock import plan_now
from app.drill.deeds import Deeds
from app.drill.pace import Pace, length_s
from app.drill.team import Member, Result, Team, WentWrong, tick
from app.drill.told import phase_told
from app.drill.work import Work, database_now
from app.rehearsal.supervisor import Installation
from app.seed import seat_name
from app.web.figures import about

_CONTROL = re.compile(
    r'action="([^"]*/phases/\w+/(start|complete|hold|resume))"'
    r'(?:(?!</form>).)*?name="version" id="[^"]*" value="(\d+)"',
    re.DOTALL,
)


class WholeDay(Work):
    """All phases, at a pace."""

    def __init__(self, installation: Installation, plan: Plan, pace: Pace) -> None:
        super().__init__(installation, pace)
        self.within_s = pace.within_s(plan)
        self._phases: list[Result] = []
        self._result |= {"speed": pace.told, "phases": self._phases, "scripts": self._scripts}

    async def course(self, stack: AsyncExitStack) -> None:
        team = await self._gather(stack)
        self._deeds = Deeds(team, self._plan)
        self._result["used"] = self._deeds.counts
        await self._begin(team)
        for phase in self._plan.phases:
            match phase.kind:
                case "rollback":
                    continue  # it runs in the middle of the production phase
                case "blue_green":
                    await self._production(team, phase)
                case _:
                    await self._plain(team, phase)
        for phase in self._plan.phases:
            if phase.kind != "rollback":  # told when it was over: the second attempt begins it anew
                await self._tell_phase(phase)
        order = [phase.key for phase in self._plan.phases]
        self._phases.sort(key=lambda told: order.index(told["key"]))
        self._expect(not self._scripts["run"] or self._scripts["live_pieces"] > 0, "no output came while a script ran")
        for name in self._deeds.missing():
            self._fall_short(f"nobody used: {name}")
        await self._tell_clock()

    async def _begin(self, team: Team) -> None:
        """The pace, and what comes before the first phase: being there, lists, duties, a freeze and a patch in it."""
        if self._pace.factor is not None:
            await team.who(self._plan, "proceed").post("/phases/clock/speed", speed=str(self._pace.factor))
            real = length_s(self._plan) / self._pace.factor
            self._say(f"the plan takes {about(length_s(self._plan))}; at ×{self._pace.factor} that is {about(real)}")
        await self._deeds.arrive()
        await self._deeds.own_lists()
        await self._deeds.duties("before")
        await self._deeds.freeze()
        await self._deeds.patch()

    # ── a phase that is started and completed by who leads it ───────────────

    async def _plain(self, team: Team, phase: Phase) -> None:
        self._say(f"── phase {phase.number}: {phase.title}")
        if phase.checklist:
            for member in team.members.values():
                await tick(member, phase.checklist)
        await self._press(team, phase, "start")
        if not self._deeds.counts.get("holds"):
            await self._press(team, phase, "hold", reason="The drill holds it once")
            await self._press(team, phase, "resume")
            self._deeds.counts["holds"] = 1
        await self._work_off(team, phase)
        if phase.canary and phase.target:
            await self._canary(team, phase)
        await self._go_ahead(team, await self._row(phase, "started_at") + timedelta(seconds=phase.duration_s))
        await self._press(team, phase, "complete")
        await self._work_off(team, phase)

    async def _canary(self, team: Team, phase: Phase) -> None:
        """Share by share, each until its gate passed: real shares, real readings; only the dwell time is set ahead."""
        lead, backend = self._seat(team, phase.lead[0]), self._word_of(team, phase)
        base = f"/phases/{phase.key}/canary"
        await lead.post(f"{base}/start", run="0", version="0")
        for number, step in enumerate(phase.canary):
            run = await self._arrived(phase, number, step.percent)
            if backend is not None:
                await backend.post(f"{base}/approve", version=str(run.version))
            while (run := await self._run(phase)).state in (CanaryState.DWELLING, CanaryState.INCONCLUSIVE):
                if run.dwelt_s > 0 and self._pace.factor is None:  # before, nothing is known of the time jumped over
                    await self._go_ahead(
                        team, await self._plan_now() + timedelta(seconds=step.dwell_s - run.dwelt_s + 1)
                    )
                await asyncio.sleep(1.0)
            if step.percent == 100:
                await self._until(_canary_at(self._id, phase, number, CanaryState.DONE), 60, "the last gate passes")
                return
            if phase.canary_gate and phase.canary_gate.advance == "automatic":
                continue  # the product goes on by itself once the gate has passed
            await self._until(_canary_at(self._id, phase, number, CanaryState.GATE), 5, "the gate is reached")
            await self._go_on(lead, phase, f"{base}/go-on")

    async def _arrived(self, phase: Phase, number: int, percent: int) -> CanaryRun:
        """Once probes see the share. Raises WentWrong, with the canary's own reason where it went back."""
        try:
            await self._until(_canary_at(self._id, phase, number, CanaryState.DWELLING), 90, f"{percent} % arrive")
        except WentWrong:
            await self._run(phase)
            raise
        return await self._run(phase)

    async def _go_on(self, lead: Member, phase: Phase, path: str) -> None:
        """As soon as the gate has passed: what is UNKNOWN for a moment refuses."""
        for _ in range(60):
            answer = await lead.post(path, (200, 204, 303, 409), version=str((await self._run(phase)).version))
            if answer.status_code != 409:
                return
            await asyncio.sleep(1.0)
        raise WentWrong(f"the gate of phase {phase.number} did not pass in 60 s")

    def _seat(self, team: Team, position: str) -> Member:
        return team[seat_name(self._plan.position(position), 1)]

    def _word_of(self, team: Team, phase: Phase) -> Member | None:
        """Whose word the gate waits for, if it waits for any."""
        lines = phase.canary_gate.proceed_if if phase.canary_gate else ()
        asked = next((line.positions[0] for line in lines if line.kind == "approval"), None)
        return self._seat(team, asked) if asked else None

    async def _run(self, phase: Phase) -> CanaryRun:
        found = await self._database.read(lambda session: newest_run(session, self._id, phase.key))
        if found is None or found.state in (CanaryState.ROLLING_BACK, CanaryState.ROLLED_BACK):
            raise WentWrong(f"the canary of phase {phase.number} went back: {found.reason if found else 'none'}")
        return found

    async def _press(self, team: Team, phase: Phase, what: str, reason: str = "") -> None:
        """Start, hold, resume or complete a phase: by the first of its people whose page offers it."""
        for member in team.members.values():
            page = await member.page(f"/phases/{phase.key}")
            for action, offered, version in _CONTROL.findall(page):
                if offered == what:
                    await member.post(html.unescape(action), version=version, reason=reason)
                    return
        raise WentWrong(f"nobody's page offers to {what} phase {phase.number}")

    # ── the production phase, with 4B in its middle ─────────────────────────

    async def _production(self, team: Team, phase: Phase) -> None:
        self._say(f"── phase {phase.number}: {phase.title}, with a rollback and a second attempt")
        await self._deeds.evidence(phase.checklist)
        await self._deeds.hand_over()
        await self._sign_off(team)
        await self._switch(team)
        rollback = await self._roll_back(team)
        self._expect(rollback.verified_at is not None, "the rollback was not verified")
        for other in self._plan.phases:
            if other.kind == "rollback":
                await self._work_off(team, other)
                await self._tell_phase(other)
        await team.who(self._plan, "hold").post("/reopen")
        await self._sign_off(team)
        await self._work_off(team, phase)
        pressed = await self._database.read(database_now)
        # The strip of the switch goes on for half a minute of real time: at a factor, decision points come meanwhile.
        switching = asyncio.create_task(self._switch(team))
        beside = asyncio.create_task(self._beside(pressed))
        try:
            await self._decide(team, phase, await self._switched_since(pressed))
            self._judge(await switching, rollback)
            await beside
        finally:
            switching.cancel()
            beside.cancel()
        await self._work_off(team, phase)
        await team.who(self._plan, "proceed").post("/complete")
        await self._work_off(team, phase)
        await self._deeds.duties("after")
        await self._deeds.lift_freeze()

    async def _switched_since(self, pressed: datetime) -> datetime:
        """When traffic arrived on GREEN by the switch that was pressed at that moment or later."""

        async def query(session: AsyncSession) -> datetime | None:
            at = (await session.get_one(Deployment, self._id, populate_existing=True)).switched_at
            return at if at is not None and at >= pressed else None

        return await self._until(query, 60, "the switch is recorded with its time")

    async def _beside(self, pressed: datetime) -> None:
        """What the others do while the decision points come."""
        await self._switched_since(pressed)
        await self._deeds.customers_report()
        await self._deeds.incident()
        await self._deeds.duties("during", "repeated")

    async def _decide(self, team: Team, phase: Phase, switched: datetime) -> None:
        """Each decision point as it comes due: opened by a worker, answered by the position of the plan."""
        zero = plan_now(await self._deployment(), switched)
        for number, point in enumerate(phase.decisions):
            await self._go_ahead(team, zero + timedelta(minutes=point.minute))
            is_open = select(Decision.id).where(
                Decision.deployment_id == self._id, Decision.minute == point.minute, Decision.closed_at.is_(None)
            )
            await self._until(_scalar(is_open), 15, f"minute {point.minute} opens")
            who = self._seat(team, point.position)
            offered = {answer.answer for answer in point.answers}
            answer = "watch" if number == 1 and "watch" in offered else "continue"
            await who.post(f"/decisions/{point.minute}/answer", answer=answer, reason="As everybody sees on the wall.")

    # ── looking ─────────────────────────────────────────────────────────────

    async def _row(self, phase: Phase, name: str) -> datetime:
        row = await self._database.read(lambda session: session.get_one(PhaseRun, (self._id, phase.key)))
        at = getattr(row, name)
        if not isinstance(at, datetime):
            raise WentWrong(f"phase {phase.number} has no {name}")
        return at

    async def _tell_phase(self, phase: Phase) -> None:
        told = await self._database.read(lambda session: phase_told(session, self._id, self._plan, phase))
        self._phases.append(told)
        self._say(f"phase {phase.number}: {told['state']}, {told['actual_s']} of {told['planned_s']} s planned")
        self._expect(told["state"] == State.COMPLETED, f"phase {phase.number} ended {told['state']}, not completed")
        for what in ("checklist_items", "steps", "decisions"):
            done, of = told[what]
            self._expect(done == of, f"{of - done} {what.replace('_', ' ')} of phase {phase.number} were not done")
        done, of = told["scripts"]
        self._expect(
            done + told["manual_path"] >= of,
            f"{of - done} scripts of phase {phase.number} were neither run nor replaced",
        )

    async def _tell_clock(self) -> None:
        """At a factor: that the plan's clock did pass, and was set by nobody."""
        deployment = await self._deployment()
        rows = select(func.min(PhaseRun.started_at), func.max(PhaseRun.finished_at))
        began, ended = await self._database.read(lambda session: _row_of(session, rows, self._id))
        was_set = deployment.plan_clock.was_set_ahead(began, ended)
        self._result["clock"] = {"plan_s": round((ended - began).total_seconds(), 1), "was_set_ahead": was_set}
        if self._pace.factor is not None:
            self._expect(not was_set, "somebody set the plan's clock ahead")
            self._expect(deployment.plan_clock.speed == self._pace.factor, "somebody changed the clock's speed")


async def _row_of(session: AsyncSession, statement: Select[Any, Any], deployment_id: int) -> tuple[datetime, datetime]:
    began, ended = (await session.execute(statement.where(PhaseRun.deployment_id == deployment_id))).one()
    return began, ended


def _canary_at(
    deployment_id: int, phase: Phase, step: int, state: CanaryState
) -> Callable[[AsyncSession], Awaitable[int | None]]:
    mine = (CanaryRun.deployment_id == deployment_id) & (CanaryRun.phase == phase.key)
    return _scalar(select(CanaryRun.id).where(mine, CanaryRun.step == step, CanaryRun.state == state.value))


def _scalar(statement: Select[int]) -> Callable[[AsyncSession], Awaitable[int | None]]:
    return lambda session: session.scalar(statement)
