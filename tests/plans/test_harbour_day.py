"""The port on its night: three sign-offs, proceed, arm, switch; each page in its own words for every position."""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.engine import Database
from app.db.tables import Deployment
from app.deployments import commands
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.seed import create_rehearsal
from app.wiring import Site
from tests.conftest import ScopeOf, Web, WebOf, make_scope_of
from tests.known_plans import HARBOUR as PLAN
from tests.known_plans import HARBOUR_FILE
from tests.traffic.armed import cast_go, count_events, press_rollback, press_switch, prove, state_of, target_of

SOURCE = HARBOUR_FILE.read_text(encoding="utf-8")
SIGNERS = ("platform_engineer_1", "cargo_desk", "customs_liaison")
EVERYBODY = (*SIGNERS, "platform_engineer_2", "harbour_master", "data_steward", "terminal_observer", "admin")
ONE_A_POSITION = tuple(login for login in EVERYBODY if login != "platform_engineer_2")
PAGES = (
    *("", "/board", "/switch", "/wall", "/metrics", "/triggers", "/timeline", "/checklists"),
    *("/roster", "/plan", "/card", "/home/_panels", "/_mission", "/decisions", "/incidents"),
    *("/phases", *(f"/phases/{phase.key}" for phase in PLAN.phases)),
)
ALAWAELS = re.compile(
    r"ALAWAEL|DevOps|VP Operations|[Bb]ackend lead|[Ss]ecurity officer|[Pp]roject manager|\b[Ff]ive\b|GitHub"
    r"|[Pp]hase (4B|5|6)\b|New_York|0\.9\.4|1\.0\.0",
)
"""Words of ALAWAEL's day that no page of another team may show."""


@pytest.fixture
async def harbour(web_of: WebOf, site: Site) -> AsyncIterator[Web]:
    """The application on a site that binds the port's target, with one rehearsal of its plan."""
    bound = site.model_copy(update={"targets": {"booking": site.targets["production"]}})

    async def seed(database: Database) -> Deployment:
        async def write(session: AsyncSession) -> Deployment:
            made = await create_rehearsal(session, bound, PLAN, SOURCE)
            made.target_configuration = "configuration-1"
            await session.flush()
            return made

        return await database.run(write)

    async with web_of(bound, seed) as found:
        yield found


@pytest.fixture
def scope_of(harbour: Web, settings: Settings) -> ScopeOf:
    return make_scope_of(harbour.database, settings)


async def look(harbour: Web, when: str, people: Sequence[str] = EVERYBODY) -> None:
    """Every page as each of these: it comes, and says nothing of ALAWAEL."""
    for login in people:
        client = await harbour.client_as(login)
        for path in PAGES:
            answer = await client.get(f"/d/{harbour.deployment.id}{path}")
            assert answer.status_code == 200, f"{when}: {path} as {login}: {answer.status_code}"
            text = re.sub(r"<[^>]*>", " ", answer.text)
            found = ALAWAELS.search(text)
            assert not found, f"{when}: {path} as {login}: …{text[max(0, found.start() - 80) : found.end() + 40]}…"


async def proceed_and_arm(harbour: Web, scope_of: ScopeOf) -> None:
    master = await scope_of(harbour.deployment, "harbour_master")
    await prove(harbour.database)  # looking took longer than a proof is good for
    await harbour.database.run(lambda session: commands.proceed(session, master))
    engineer = await scope_of(harbour.deployment, "platform_engineer_2")
    await harbour.database.run(lambda session: commands.arm(session, engineer))


async def test_three_sign_offs_take_the_port_through_its_night(harbour: Web, scope_of: ScopeOf) -> None:
    database, deployment = harbour.database, harbour.deployment
    master = await scope_of(deployment, "harbour_master")
    assert not any(right.startswith("sign_off") for right in master.capabilities), "who proceeds need not sign off"
    with pytest.raises(Rejected, match="The gate has not passed") as refused:
        await database.run(lambda session: commands.proceed(session, master))
    assert "All three sign-offs" in refused.value.remedy
    for login in SIGNERS:
        await database.run(partial(cast_go, scope=await scope_of(deployment, login)))
    await proceed_and_arm(harbour, scope_of)
    assert await state_of(database, deployment) == "armed"
    assert (await target_of(database)).target == "booking"

    for stranger in ("harbour_master", "cargo_desk"):
        assert not (await scope_of(deployment, stranger)).may("switch")
    operation = await press_switch(database, await scope_of(deployment, "platform_engineer_1"), "k1")
    assert (operation.kind, operation.state, operation.target) == ("switch", "accepted", "booking")
    assert await state_of(database, deployment) == "switching"
    back = await press_rollback(database, await scope_of(deployment, "harbour_master"), "k2")
    assert (back.kind, back.want_blue) == ("rollback", 100)
    assert await count_events(database, "traffic.switch.requested") == 1


@pytest.mark.timeout(300)
async def test_every_page_is_in_the_ports_own_words(harbour: Web, scope_of: ScopeOf) -> None:
    database, deployment = harbour.database, harbour.deployment
    await look(harbour, "before the votes")
    for login in SIGNERS:
        await database.run(partial(cast_go, scope=await scope_of(deployment, login)))
    await prove(database)
    await look(harbour, "with the gate passed")
    await proceed_and_arm(harbour, scope_of)
    await look(harbour, "armed")
    await prove(database)
    # Looking took longer than a worker may take for its first capsule, and no worker runs here.
    await database.run(lambda session: session.execute(update(Deployment).values(armed_at=func.clock_timestamp())))
    await press_switch(database, await scope_of(deployment, "platform_engineer_1"), "k1")
    await look(harbour, "switching")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("state", ["switched", "completed", "rolling_back", "rolled_back", "on_hold", "aborted"])
async def test_whatever_the_state_the_words_are_the_ports(harbour: Web, state: str) -> None:
    async def write(session: AsyncSession) -> None:
        deployment = await commands.lock(session, harbour.deployment.id)
        now = await database_now(session)
        deployment.state, deployment.state_since = state, now
        if state in ("switched", "completed"):
            deployment.armed_at, deployment.switched_at = now, now - timedelta(minutes=2)

    await harbour.database.run(write)
    await prove(harbour.database)
    await look(harbour, state, ONE_A_POSITION)
