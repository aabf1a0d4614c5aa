"""The console-failure card of a deployment, as the page prints it."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, TargetState
from app.domain.capsule import Step
from app.domain.card import NEEDS_NOTHING, command_of, where_traffic_is
from app.traffic.queries_capsule import Armed, order_of, people_of
from app.traffic.views import CardView
from app.web.access import Scope


async def card_view(session: AsyncSession, scope: Scope) -> CardView:
    deployment = (
        await session.execute(
            select(Deployment).where(Deployment.id == scope.id).execution_options(populate_existing=True)
        )
    ).scalar_one()
    state = await session.get_one(TargetState, deployment.target, populate_existing=True)
    now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    order = order_of(
        Armed(deployment, scope.plan, scope.plan_hash, state, await people_of(session, deployment, scope.plan)),
        now,
        here=now,
        binding=deployment.binding,
        addresses={},
        by_hand=tuple(Step.model_validate(step) for step in state.by_hand),
    )
    return CardView(
        order=order,
        is_armed=deployment.armed_at is not None and state.locked_by == deployment.id,
        command=command_of(order),
        needs_nothing=NEEDS_NOTHING,
        where_traffic_is=where_traffic_is(order),
        now=now,
    )
