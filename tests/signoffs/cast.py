"""What the tests of sign-offs do again and again: the five people vote, the board is asked, a state is reached."""

import re
from collections.abc import Awaitable, Callable

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.commands import record_item
from app.checklists.forms import ItemForm
from app.checklists.queries import state_key, states_of
from app.db.engine import Database
from app.db.tables import Deployment, Event, Signoff
from app.deployments.commands import lock
from app.domain.signoffs import Binding, Gate, fingerprint
from app.signoffs.commands import record_signoff
from app.signoffs.forms import VoteForm
from app.signoffs.queries import binding_of, gate_of
from app.web.access import Scope

VOTERS = {
    "infrastructure": "devops_lead",
    "application": "backend_lead",
    "security": "security_officer",
    "monitoring": "operations",
    "requirements": "project_manager",
}
ScopeOf = Callable[..., Awaitable[Scope]]


async def vote(
    database: Database, scope: Scope, question: str, said: str = "go", comment: str = "", **form: str
) -> None:
    """Vote on what the database shows now, unless `shown` says otherwise."""

    async def write(session: AsyncSession) -> None:
        binding = await binding_of(session, scope.deployment, scope.plan, scope.plan_hash)
        sent = {"shown": fingerprint(binding), **form}
        await record_signoff(
            session, scope, VoteForm.model_validate({"question": question, "vote": said, "comment": comment, **sent})
        )

    await database.run(write)


async def all_vote_go(database: Database, scope_of: ScopeOf, deployment: Deployment) -> None:
    for question, login in VOTERS.items():
        await vote(database, await scope_of(deployment, login), question)


async def tick(
    database: Database,
    scope: Scope,
    item: str,
    text: str = "",
    state: str = "done",
    checklist: str = "before_production",
) -> None:
    """Change an item as somebody does whose page is current."""

    async def write(session: AsyncSession) -> None:
        spec = scope.plan.checklist(checklist)
        key = state_key(scope.plan, spec, next(i for i in spec.items if i.key == item))
        row = (await states_of(session, scope.deployment)).get(key)
        form = ItemForm.model_validate({"state": state, "text": text, "version": row.version if row else 0})
        await record_item(session, scope, checklist, item, form)

    await database.run(write)


async def gate_now(database: Database, scope: Scope) -> tuple[Gate, Binding]:
    async def read(session: AsyncSession) -> tuple[Gate, Binding]:
        deployment = await session.get_one(Deployment, scope.id)
        return await gate_of(session, deployment, scope.plan, scope.plan_hash, scope.now)

    return await database.read(read)


async def events(database: Database, deployment: Deployment, prefix: str = "signoffs.") -> list[Event]:
    async def read(session: AsyncSession) -> list[Event]:
        rows = await session.scalars(
            select(Event).where(Event.chain == deployment.id, Event.kind.startswith(prefix)).order_by(Event.seq)
        )
        return list(rows)

    return await database.read(read)


async def standing(database: Database, deployment: Deployment) -> dict[str, str]:
    """Question to verdict of the votes that stand."""

    async def read(session: AsyncSession) -> dict[str, str]:
        rows = await session.scalars(
            select(Signoff).where(Signoff.deployment_id == deployment.id, Signoff.ended_at.is_(None))
        )
        return {row.question: row.verdict for row in rows}

    return await database.read(read)


async def row_of(database: Database, deployment: Deployment) -> Deployment:
    return await database.read(lambda session: lock(session, deployment.id))


async def shown_to(client: httpx.AsyncClient, deployment: Deployment) -> str:
    """The fingerprint in the ballot of the person's board."""
    answer = await client.get(f"/d/{deployment.id}/board")
    assert answer.status_code == 200, answer.text
    found = re.search(r'name="shown" value="([0-9a-f]{32})"', answer.text)
    assert found, "this person's board has no ballot"
    return found[1]
