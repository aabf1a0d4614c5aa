"""The whole day unattended: every phase of the plan in its order, with a rollback and a second attempt in between.

Everybody does what their own page offers. The plan's clock is set ahead from mark to mark, so that seven days take
seconds; traffic, health checks and votes stay on the real clock.
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
from app.checklists.queries import state_key
from app.db.tables import CanaryRun, ChecklistState, Decision, Deployment, Operation, PhaseRun, StepRun
from app.domain.canary import State as CanaryState
from app.domain.observation import Share
from app.domain.phases import State
from app.domain.plan import Phase, Plan
from app.domain.plan_clock import plan_now
from app.domain.steps import is_by_traffic
from app.drill.run import Drill
from app.drill.team import Member, Result, Team, WentWrong, tick
from app.rehearsal.supervisor import Installation
from app.seed import seat_name
from app.steps.queries import attempt_of

SPEEDS = ("max",)
"""`max`: the clock goes to the next mark as soon as what comes before it is done."""
_STEP = re.compile(
    r'action="([^"]*/steps/([\w-]+)/(start|finish|tick))"(?:(?!</form>).)*?name="version" id="[^"]*" value="(\d+)"',
    re.DOTALL,
)
_CONTROL = re.compile(
    r'action="([^"]*/phases/\w+/(start|complete))"(?:(?!</form>).)*?name="version" id="[^"]*" value="(\d+)"', re.DOTALL
)
MOST_ROUNDS = 40
"""Rounds of all people over one phase: every step takes two of them at most."""


class WholeDay(Drill):
    """All phases. `speed` is one of SPEEDS."""

    within_s = 900

    def __init__(self, installation: Installation, speed: str) -> None:
        super().__init__(installation, fault="")
        self._speed = speed
        self._phases: list[Result] = []
        self._result |= {"speed": speed, "phases": self._phases}

    async def course(self, stack: AsyncExitStack) -> None:
        team = await self._gather(stack)
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

    # ── a phase that is started and completed by who leads it ───────────────

    async def _plain(self, team: Team, phase: Phase) -> None:
        self._say(f"── phase {phase.number}: {phase.title}")
        if phase.checklist:
            for member in team.members.values():
                await tick(member, phase.checklist)
        await self._press(team, phase, "start")
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
            await self._until(_canary_at(self._id, phase, number, CanaryState.DWELLING), 90, f"{step.percent} % arrive")
            run = await self._run(phase)
            if backend is not None:
                await backend.post(f"{base}/approve", version=str(run.version))
            while (run := await self._run(phase)).state in (CanaryState.DWELLING, CanaryState.INCONCLUSIVE):
                if run.dwelt_s > 0:  # before, a jump would fall into a time of which nothing is known
                    now = plan_now(await self._deployment(), await self._database.read(_database_now))
                    await self._go_ahead(team, now + timedelta(seconds=step.dwell_s - run.dwelt_s + 1))
                await asyncio.sleep(1.0)
            if step.percent == 100:
                await self._until(_canary_at(self._id, phase, number, CanaryState.DONE), 60, "the last gate passes")
                return
            await self._until(_canary_at(self._id, phase, number, CanaryState.GATE), 5, "the gate is reached")
            await self._go_on(lead, phase, f"{base}/go-on")

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

    async def _press(self, team: Team, phase: Phase, what: str) -> None:
        """Start or complete a phase: by the first of its people whose page offers it."""
        for member in team.members.values():
            page = await member.page(f"/phases/{phase.key}")
            for action, offered, version in _CONTROL.findall(page):
                if offered == what:
                    await member.post(html.unescape(action), version=version)
                    return
        raise WentWrong(f"nobody's page offers to {what} phase {phase.number}")

    async def _work_off(self, team: Team, phase: Phase) -> None:
        """Everybody does every step that their own page of the phase offers, until no page offers one."""
        for _ in range(MOST_ROUNDS):
            did = 0
            for member in team.members.values():
                did += await _do_steps(member, phase)
            if not did:
                return
        raise WentWrong(f"the steps of phase {phase.number} do not come to an end")

    # ── the production phase, with 4B in its middle ─────────────────────────

    async def _production(self, team: Team, phase: Phase) -> None:
        self._say(f"── phase {phase.number}: {phase.title}, with a rollback and a second attempt")
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
        switch = await self._switch(team)
        self._judge(switch, rollback)
        await self._decide(team, phase)
        await self._work_off(team, phase)
        await team.who(self._plan, "proceed").post("/complete")
        await self._work_off(team, phase)

    async def _decide(self, team: Team, phase: Phase) -> None:
        """Each decision point as it comes due: opened by a worker, answered by the position of the plan."""
        deployment = await self._deployment()
        if deployment.switched_at is None:
            raise WentWrong("the switch is recorded without its time")
        zero = plan_now(deployment, deployment.switched_at)
        for point in phase.decisions:
            await self._go_ahead(team, zero + timedelta(minutes=point.minute))
            is_open = select(Decision.id).where(
                Decision.deployment_id == self._id, Decision.minute == point.minute, Decision.closed_at.is_(None)
            )
            await self._until(_scalar(is_open), 15, f"minute {point.minute} opens")
            who = team[seat_name(self._plan.position(point.position), 1)]
            await who.post(f"/decisions/{point.minute}/answer", answer="continue", reason="All as it should be.")

    # ── the plan's clock ────────────────────────────────────────────────────

    async def _go_ahead(self, team: Team, moment: datetime) -> None:
        """Set the plan's clock to a moment, if that is still ahead."""
        deployment = await self._deployment()
        now = await self._database.read(_database_now)
        if moment > plan_now(deployment, now):
            await team.who(self._plan, "proceed").post("/phases/clock/jump", to=moment.isoformat())

    # ── looking ─────────────────────────────────────────────────────────────

    async def _deployment(self) -> Deployment:
        return await self._database.read(lambda session: session.get_one(Deployment, self._id))

    async def _row(self, phase: Phase, name: str) -> datetime:
        row = await self._database.read(lambda session: session.get_one(PhaseRun, (self._id, phase.key)))
        at = getattr(row, name)
        if not isinstance(at, datetime):
            raise WentWrong(f"phase {phase.number} has no {name}")
        return at

    async def _tell_phase(self, phase: Phase) -> None:
        told = await self._database.read(lambda session: _told(session, self._id, self._plan, phase))
        self._phases.append(told)
        self._say(f"phase {phase.number}: {told['state']}, {told['actual_s']} of {told['planned_s']} s planned")
        self._expect(told["state"] == State.COMPLETED, f"phase {phase.number} ended {told['state']}, not completed")
        for what in ("checklist_items", "steps", "decisions"):
            done, of = told[what]
            self._expect(done == of, f"{of - done} {what.replace('_', ' ')} of phase {phase.number} were not done")


async def _do_steps(member: Member, phase: Phase) -> int:
    """What this person's page of the phase offers, once each. Returns how many presses that were."""
    page = await member.page(f"/phases/{phase.key}")
    offered = {step: (action, version) for action, step, _, version in _STEP.findall(page)}
    for action, version in offered.values():
        await member.post(html.unescape(action), version=version, text="drill evidence")
    return len(offered)


async def _database_now(session: AsyncSession) -> datetime:
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def _told(session: AsyncSession, deployment_id: int, plan: Plan, phase: Phase) -> dict[str, Any]:
    """A phase as the last line has it; durations in seconds of the plan's clock."""
    deployment = await session.get_one(Deployment, deployment_id)
    row = await session.get_one(PhaseRun, (deployment_id, phase.key))
    took = (row.finished_at - row.started_at).total_seconds() if row.started_at and row.finished_at else None
    done = select(func.count()).where(
        StepRun.deployment_id == deployment_id,
        StepRun.phase == phase.key,
        StepRun.attempt == attempt_of(deployment, phase),
        StepRun.state == "done",
    )
    by_hand = done.where(StepRun.by_hand)
    workable = [action for action in phase.actions if not is_by_traffic(phase, action)]
    answered = select(func.count()).where(
        Decision.deployment_id == deployment_id, Decision.attempt == deployment.attempt, Decision.answer != ""
    )
    keys = _items(plan, phase)
    ticked = select(func.count(ChecklistState.item.distinct())).where(
        ChecklistState.deployment_id == deployment_id, ChecklistState.item.in_(keys), ChecklistState.state == "done"
    )
    return {
        "number": phase.number,
        "key": phase.key,
        "state": row.state,
        "planned_s": phase.duration_s,
        "actual_s": None if took is None else round(took, 1),
        "checklist_items": [await session.scalar(ticked) or 0, len(keys)],
        "steps": [await session.scalar(done) or 0, len(workable) + len(phase.after)],
        "by_hand": await session.scalar(by_hand) or 0,
        **({"shares": await _shares(session, deployment_id, phase)} if phase.canary else {}),
        "decisions": [await session.scalar(answered) or 0 if phase.decisions else 0, len(phase.decisions)],
    }


def _items(plan: Plan, phase: Phase) -> list[str]:
    """The keys of what people confirm before it; machines look after the others."""
    if not phase.checklist:
        return []
    checklist = plan.checklist(phase.checklist)
    return [state_key(plan, checklist, item) for item in checklist.items if not item.check]


def _canary_at(
    deployment_id: int, phase: Phase, step: int, state: CanaryState
) -> Callable[[AsyncSession], Awaitable[int | None]]:
    mine = (CanaryRun.deployment_id == deployment_id) & (CanaryRun.phase == phase.key)
    return _scalar(select(CanaryRun.id).where(mine, CanaryRun.step == step, CanaryRun.state == state.value))


async def _shares(session: AsyncSession, deployment_id: int, phase: Phase) -> list[str]:
    """What probes saw of each share that was wanted."""
    mine = (Operation.deployment_id == deployment_id) & (Operation.target == phase.target)
    wanted = select(Operation).where(mine, Operation.kind == "shift").order_by(Operation.id)
    return [
        f"{100 - each.want_blue} %: {Share(each.probes_agreeing, each.probes_total)}"
        for each in await session.scalars(wanted)
    ]


def _scalar(statement: Select[int]) -> Callable[[AsyncSession], Awaitable[int | None]]:
    return lambda session: session.scalar(statement)
