"""A deployment day on the running installation: a fresh rehearsal for each test, brought to a state in seconds.

What is set up goes through HTTP as people do it; only ending the rehearsal of the test before is done in the tables.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database, make_engine
from app.db.tables import Deployment, Operation, Person, TargetState, WebSession
from app.deployments.commands import database_now
from app.domain.deployments import State
from app.domain.operations import State as Progress
from app.domain.sides import Side, Weights
from app.drill.team import Member, Team, gather_team, sign_off
from app.providers.agent_balancer import AgentBalancer
from app.providers.plan_yaml import load_plan
from app.providers.range_control import RangeControl
from app.providers.side_address import SideAddress
from app.rehearsal.supervisor import Installation, answers
from app.seed import create_rehearsal
from app.traffic.queries_strip import readiness
from app.wiring import read_site
from tests.known_plans import ALAWAEL
from tests.known_plans import ALAWAEL_FILE as PLAN_FILE

Value = TypeVar("Value")

SOURCE = PLAN_FILE.read_text(encoding="utf-8")
TARGET = "production"
SIGNERS = ("DevOps lead", "Backend lead", "Security officer", "Operations", "Project manager")
QUESTIONS = {
    "DevOps lead": "infrastructure",
    "Backend lead": "application",
    "Security officer": "security",
    "Operations": "monitoring",
    "Project manager": "requirements",
}


class NotSeen(AssertionError):
    """A fact that a test waits for did not come about."""


class Day:
    """One deployment at a time; `id` is the present one's. `team` acts over HTTP, without a browser."""

    id: int

    def __init__(self, installation: Installation) -> None:
        site = read_site(installation.site_file).targets[TARGET]
        self.installation = installation
        self.site = read_site(installation.site_file)
        self.source, self.plan = SOURCE, ALAWAEL
        self.database = Database(make_engine(installation.environment["GONOGO_DATABASE_URL"], pool_size=3))
        control_url = f"http://127.0.0.1:{installation.ports.control}"
        self.range = RangeControl(control_url, installation.range_folder / "control.token")
        sides = {side: SideAddress(at.url, at.health, at.required) for side, at in site.sides.items()}
        self.balancer = AgentBalancer(TARGET, site.agent_url, site.agent_token_file, sides)
        self.is_untouched = False
        """Whoever began it, or looked at it since, only looks."""
        self._team: Team | None = None

    async def aclose(self) -> None:
        if self._team is not None:
            await self._team.aclose()
        await self.balancer.aclose()
        await self.range.aclose()
        await self.database.aclose()

    def url(self, path: str = "") -> str:
        """The address of a page of this deployment."""
        return f"{self.installation.url}/d/{self.id}{path}"

    # ── a fresh rehearsal ───────────────────────────────────────────────────

    async def begin(self, source: str = "") -> None:
        """End what the test before left, bring all traffic to BLUE, create a rehearsal, wait until it is watched.

        `source` is another plan with ALAWAEL's positions; by default ALAWAEL's own."""
        self.is_untouched = False
        self.source, self.plan = (source, load_plan(source, PLAN_FILE.name)) if source else (SOURCE, ALAWAEL)
        await asyncio.to_thread(_wait_for, f"{self.installation.url}/readyz")
        await self.range.reset_knobs()
        epoch = await self.database.run(self._end_all)
        await self.balancer.write(Weights.all_to(Side.BLUE), epoch=epoch, fence=_no_fence)
        self.id = await self.database.run(self._create)
        self._team = self._team or await gather_team(self.installation.url, self.id)
        for member in self._team.members.values():
            member.deployment = f"/d/{self.id}"
        await self.until(self._is_watched, 60, "the new rehearsal is watched, all on a healthy BLUE")

    async def _end_all(self, session: AsyncSession) -> int:
        """Returns an epoch that is newer than every operation's, so that no worker writes any more."""
        now = await database_now(session)
        over = (State.ABORTED.value, State.COMPLETED.value)
        old = update(Deployment).where(Deployment.state.not_in(over))
        await session.execute(old.values(state=State.ABORTED.value, finished_at=now))
        running = update(Operation).where(Operation.finished_at.is_(None))
        await session.execute(running.values(state=Progress.SUPERSEDED.value, reason="test over", finished_at=now))
        await session.execute(update(WebSession).values(stepped_up_at=now, seen_at=now))
        target = await session.get_one(TargetState, TARGET, with_for_update=True)
        target.locked_by = None
        target.epoch += 1
        return target.epoch

    async def _create(self, session: AsyncSession) -> int:
        made = await create_rehearsal(session, self.site, self.plan, self.source)
        return made.id

    async def _is_watched(self, session: AsyncSession) -> bool:
        """Seen after its creation; votes are then bound to the target's configuration."""
        made = await self.deployment(session)
        found = await session.get_one(TargetState, TARGET, populate_existing=True)
        is_fresh = found.read_at is not None and found.read_at > made.created_at and not found.read_error
        is_on_blue = (found.set_blue, found.probed_blue, found.locked_by) == (100, 100, None)
        is_well = bool(found.blue_is_healthy and found.green_is_healthy)
        return bool(made.target_configuration) and is_fresh and is_on_blue and is_well

    # ── reaching a state ────────────────────────────────────────────────────

    @property
    def team(self) -> Team:
        if self._team is None:
            raise NotSeen("the day has not begun")
        return self._team

    def __getitem__(self, title: str) -> Member:
        return self.team[title]

    async def five_go(self, *, but: tuple[str, ...] = ()) -> None:
        for title in SIGNERS:
            if title not in but:
                await sign_off(self[title])

    async def armed(self) -> None:
        await self.five_go()
        await self["Project manager"].post("/proceed")
        await self["DevOps lead"].post("/arm")

    async def ready_to_switch(self) -> None:
        """Armed, and T−5 would say yes: both sides are measured, too."""
        await self.armed()
        await self.until(self.is_ready, 60, "every line of T−5 is ready")

    async def is_ready(self, session: AsyncSession) -> bool:
        deployment, now = await self.deployment(session), await database_now(session)
        target = await session.get_one(TargetState, TARGET, populate_existing=True)
        return not (await readiness(session, deployment, target, self.plan, now)).not_ready

    async def on_green(self) -> Operation:
        """Switched over HTTP, 100 % observed on GREEN; T+30 is still to come."""
        await self.ready_to_switch()
        await self["DevOps lead"].post("/switch", confirm="yes")
        return await self.arrived("switch")

    async def arrived(self, kind: str) -> Operation:
        """The newest operation of this kind, once its probes saw 100 %."""
        return await self.until(lambda s: self._operation(s, kind, has_arrived=True), 60, f"the {kind} is observed")

    async def operation(self, kind: str) -> Operation | None:
        return await self.database.read(lambda session: self._operation(session, kind))

    async def _operation(self, session: AsyncSession, kind: str, *, has_arrived: bool = False) -> Operation | None:
        statement = select(Operation).where(Operation.deployment_id == self.id, Operation.kind == kind)
        if has_arrived:
            statement = statement.where(Operation.observed_100_at.is_not(None))
        return await session.scalar(statement.order_by(Operation.epoch.desc()).limit(1))

    # ── looking at the record ───────────────────────────────────────────────

    async def deployment(self, session: AsyncSession) -> Deployment:
        statement = select(Deployment).where(Deployment.id == self.id).execution_options(populate_existing=True)
        return (await session.execute(statement)).scalar_one()

    async def state(self) -> str:
        return (await self.database.read(self.deployment)).state

    async def age_sessions(self, login: str, by: timedelta) -> None:
        """As if this person's browsers had not been used for so long."""

        async def write(session: AsyncSession) -> None:
            person = select(Person.id).where(Person.login == login).scalar_subquery()
            past = await database_now(session) - by
            rows = update(WebSession).where(WebSession.person_id == person)
            await session.execute(rows.values(seen_at=past, stepped_up_at=past, created_at=past))

        await self.database.run(write)

    async def age_step_up(self, login: str, by: timedelta) -> None:
        """Let somebody's last confirmation be older; their session goes on."""

        async def write(session: AsyncSession) -> None:
            past = await database_now(session) - by
            whose = select(Person.id).where(Person.login == login).scalar_subquery()
            rows = update(WebSession).where(WebSession.person_id == whose)
            await session.execute(rows.values(stepped_up_at=past))

        await self.database.run(write)

    async def customers(self) -> dict[str, Any]:
        return await self.range.customers()

    async def until(
        self, query: Callable[[AsyncSession], Awaitable[Value | None]], within_s: float, what: str
    ) -> Value:
        """Ask the database until the answer is truthy. Raises NotSeen."""
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            found = await self.database.read(query)
            if found:
                return found
            await asyncio.sleep(0.1)
        raise NotSeen(f"not seen within {within_s:.0f} s: {what}")


def _wait_for(url: str, within_s: float = 60) -> None:
    """Until this address answers well: a test before may have killed the web process."""
    is_ready, give_up = answers(url), time.monotonic() + within_s
    while not is_ready():
        if time.monotonic() > give_up:
            raise NotSeen(f"{url} did not answer within {within_s:.0f} s")
        time.sleep(0.1)


async def _no_fence() -> None:
    """The epoch was made newest in the transaction before."""
