"""The steps of a phase worked off by whoever their pages offer them to, and its scripts run by DevOps, at a pace."""

import asyncio
import html
import re
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, ScriptRun, StepRun
from app.domain.plan import Phase
from app.domain.plan_clock import plan_now
from app.domain.scripts import State as ScriptState
from app.domain.steps import State as StepState
from app.drill.pace import Pace
from app.drill.press_script import offered, press_run
from app.drill.run import Drill
from app.drill.team import Member, Team, WentWrong
from app.rehearsal.supervisor import Installation

_STEP = re.compile(
    r'action="([^"]*/steps/([\w-]+)/(start|finish|tick))"(?:(?!</form>).)*?name="version" id="[^"]*" value="(\d+)"',
    re.DOTALL,
)
_DECIDED = re.compile(
    r'action="([^"]*/steps/([\w-]+)/(retry|bypass))"(?:(?!</form>).)*?name="version" id="[^"]*" value="(\d+)"',
    re.DOTALL,
)
STAND_INS = ("github", "slotbook")
"""Parts of the range that scripts talk to, and that can be made to refuse."""
MOST_ROUNDS = 40
"""Rounds of all people over one phase: every step takes two of them at most."""
LOOK_AGAIN_S = 5.0
"""Real seconds after which a drill that waits looks at the clock again."""


class Work(Drill):
    """A drill that works on phases. `pace` drives the plan's clock."""

    def __init__(self, installation: Installation, pace: Pace) -> None:
        super().__init__(installation, fault="")
        self._pace = pace
        self._scripts = {"run": 0, "succeeded": 0, "failed": 0, "manual_path": 0, "lines": 0, "live_pieces": 0}
        self._due: dict[tuple[str, str], datetime] = {}
        """When a step that somebody works on has lasted as long as the plan gives it, on the plan's clock."""

    async def _work_off(self, team: Team, phase: Phase) -> None:
        """Everybody does every step that their own page of the phase offers, until no page offers one. At a factor, a
        step that the plan gives a time lasts that long on the plan's clock."""
        for _ in range(MOST_ROUNDS):
            did = 0
            for member in team.members.values():
                did += await self._do_steps(team, member, phase)
            waiting = [due for (key, _), due in self._due.items() if key == phase.key]
            if waiting and not did:
                await self._go_ahead(team, min(waiting))
            elif not did:
                return
        raise WentWrong(f"the steps of phase {phase.number} do not come to an end")

    async def _do_steps(self, team: Team, member: Member, phase: Phase) -> int:
        """What this person's page of the phase offers, once each; a script is run, not done by hand, and one at a time:
        the next may build on it. Returns how many presses that were."""
        page = await member.page(f"/phases/{phase.key}")
        runs = offered(page)
        first = next((action.key for action in phase.actions if action.key in runs), None)
        if first is not None:
            await self._run_script(team, member, phase, first, *runs[first])
        done = int(first is not None)
        found = {step: (action, what, version) for action, step, what, version in _STEP.findall(page)}
        for step, (action, what, version) in found.items():
            if step in runs or await self._must_wait(phase, step, what):
                continue
            await member.post(html.unescape(action), version=version, text="drill evidence")
            done += 1
            if what == "start" and (planned := self._lasts(phase, step)):
                self._due[phase.key, step] = await self._plan_now() + timedelta(seconds=planned)
        return done

    def _lasts(self, phase: Phase, step: str) -> float:
        """Seconds of the plan that somebody works on a step; 0 where the clock goes from mark to mark."""
        action = next((action for action in phase.actions if action.key == step), None)
        return action.planned_s or 0 if action is not None and self._pace.factor is not None else 0

    async def _must_wait(self, phase: Phase, step: str, what: str) -> bool:
        """Whether it is too early for this press: work that the plan gives a time is done one after the other, and
        lasts that long."""
        if what == "start":
            return bool(self._lasts(phase, step)) and any(key == phase.key for key, _ in self._due)
        due = self._due.get((phase.key, step))
        if due is not None and await self._plan_now() < due:
            return True
        self._due.pop((phase.key, step), None)
        return False

    # ── scripts ─────────────────────────────────────────────────────────────

    async def _run_script(
        self, team: Team, member: Member, phase: Phase, step: str, address: str, version: str
    ) -> None:
        """Press Run and watch it. The first one of the day meets a stand-in that refuses: it must stop at once and
        document itself, and is tried again. One that fails by itself takes the manual path."""
        is_rehearsed = self._scripts["run"] == 0
        if is_rehearsed:
            await self._control.set_knobs({part: {"refuse": True} for part in STAND_INS})
            self._say("fault: what scripts talk to refuses changes")
        state = await self._press_run(member, phase, step, address, version)
        if is_rehearsed:
            await self._control.set_knobs({part: {"refuse": False} for part in STAND_INS})
            self._expect(state == ScriptState.FAILED, f"a refused script ended {state}, not failed")
        if state != ScriptState.DONE:
            await self._judge_document(phase, step)
            await self._decide_failure(team, phase, step, "retry" if is_rehearsed else "bypass")

    async def _press_run(self, member: Member, phase: Phase, step: str, address: str, version: str) -> str:
        action = next(action for action in phase.actions if action.key == step)
        self._say(f"{member.title} runs {' '.join(action.command)}")
        watched = await press_run(member, address, version, action.timeout_s)
        newest = select(ScriptRun).where(
            ScriptRun.deployment_id == self._id, ScriptRun.phase == phase.key, ScriptRun.step == step
        )
        run = await self._database.read(lambda session: session.scalar(newest.order_by(ScriptRun.id.desc()).limit(1)))
        if run is None:
            raise WentWrong(f"the run of {step} is recorded nowhere")
        self._scripts["run"] += 1
        self._scripts["succeeded" if run.state == ScriptState.DONE else "failed"] += 1
        self._scripts["lines"] += watched.lines
        self._scripts["live_pieces"] += watched.live_pieces
        came = f"{watched.lines} lines in {watched.live_pieces} pieces while it ran, {watched.seconds:.1f} s"
        self._say(f"  its output: {came}; {run.state}: {run.reason.splitlines()[0] if run.reason else 'no word'}")
        self._expect(run.lines == 0 or watched.lines > 0, f"nobody saw the output of {step}")
        return run.state

    async def _judge_document(self, phase: Phase, step: str) -> None:
        """A failure must stand at its step, with why and the last lines."""
        mine = (StepRun.deployment_id == self._id) & (StepRun.phase == phase.key) & (StepRun.step == step)
        row = await self._database.read(lambda session: session.scalar(select(StepRun).where(mine)))
        is_told = row is not None and row.state == StepState.FAILED and "Last lines:" in row.evidence
        self._expect(is_told, f"the failure of {step} does not stand at its step with its last lines")

    async def _decide_failure(self, team: Team, phase: Phase, step: str, way: str) -> None:
        """Whoever leads the phase says how it goes on: `retry`, or `bypass`, the manual path."""
        for member in team.members.values():
            for action, found, what, version in _DECIDED.findall(await member.page(f"/phases/{phase.key}")):
                if (found, what) == (step, way):
                    text = "Done by hand, as the plan's manual path has it." if way == "bypass" else ""
                    await member.post(html.unescape(action), version=version, text=text)
                    self._scripts["manual_path"] += way == "bypass"
                    return
        raise WentWrong(f"nobody's page offers to {way} the step {step}")

    # ── the plan's clock ────────────────────────────────────────────────────

    async def _go_ahead(self, team: Team, moment: datetime) -> None:
        """Until the plan's clock shows a moment, if that is still ahead: set ahead to it, or waited for at a factor."""
        if self._pace.factor is None:
            if moment > await self._plan_now():
                await team.who(self._plan, "proceed").post("/phases/clock/jump", to=moment.isoformat())
            return
        while True:
            left = (moment - await self._plan_now()).total_seconds()
            if left <= 0:
                return
            await asyncio.sleep(min(left / self._pace.factor, LOOK_AGAIN_S))

    async def _plan_now(self) -> datetime:
        return plan_now(await self._deployment(), await self._database.read(database_now))

    async def _deployment(self) -> Deployment:
        return await self._database.read(lambda session: session.get_one(Deployment, self._id))


async def database_now(session: AsyncSession) -> datetime:
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now
