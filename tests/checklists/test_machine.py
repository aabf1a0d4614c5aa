"""What machines answer to checklist items: from facts alone, and from the database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.queries_machine import HEALTH_LIMIT, facts_of, machine_item
from app.checklists.views import Facts, SideFact
from app.db.engine import Database
from app.db.tables import Deployment, Reading, RosterSeat, TargetState
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.domain.presence import SEEN, Gap, PositionNow, Presence, Why
from app.domain.sides import Side
from tests.signoffs.cast import ScopeOf

NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
HEALTHY = SideFact(True, "1 of 1 targets, digest matches", NOW)


def team(*gaps: Gap) -> Presence:
    return Presence((PositionNow("devops", "DevOps", 12, 12, 3, 12 - len(gaps), 5, gaps),))


ALL_WELL = Facts(blue=HEALTHY, green=HEALTHY, metrics=10, dark=(), read_at=NOW, team=team(), now=NOW)
CHECKS = ("green_running", "blue_running", "monitoring_live", "team_present")


def with_(**changed: Any) -> Facts:
    return replace(ALL_WELL, **changed)


@pytest.mark.parametrize("check", CHECKS)
def test_all_well(check: str) -> None:
    assert machine_item(check, ALL_WELL).state == "yes"


@pytest.mark.parametrize(
    ("check", "facts", "state", "found"),
    [
        ("green_running", with_(green=SideFact(False, "0 of 1 targets", NOW)), "no", "0 of 1 targets"),
        ("green_running", with_(green=SideFact(None, "", None)), "unknown", "no health check yet"),
        (
            "blue_running",
            with_(blue=SideFact(True, "fine", NOW - HEALTH_LIMIT - timedelta(microseconds=1))),
            "unknown",
            "the last health check is older than 15 s",
        ),
        ("blue_running", with_(blue=SideFact(True, "fine", NOW - HEALTH_LIMIT)), "yes", "fine"),
        ("monitoring_live", with_(dark=("CPU usage of GREEN",)), "no", "no fresh reading: CPU usage of GREEN"),
        ("monitoring_live", with_(read_at=None), "unknown", "no reading yet"),
        (
            "monitoring_live",
            with_(dark=tuple("abcdefghij")),
            "unknown",
            "no fresh reading: a, b, c and 7 more",
        ),
        (
            "team_present",
            with_(team=team(Gap("support-1", "Support", Why.NEVER, "Kim Lee"), Gap("devops-2", "DevOps 2", Why.EMPTY))),
            "no",
            "10 of 12 required seats are there; 3 said “I am here”; missing: Kim Lee, DevOps 2",
        ),
        ("team_present", ALL_WELL, "yes", "12 of 12 required seats are there; 3 said “I am here”"),
        ("team_present", with_(team=Presence(())), "unknown", "the plan requires nobody to be there"),
        ("full_moon", ALL_WELL, "unknown", "no machine knows this check"),
    ],
)
def test_what_is_found(check: str, facts: Facts, state: str, found: str) -> None:
    finding = machine_item(check, facts)
    assert (finding.state, finding.found) == (state, found)


@given(
    st.sampled_from(("green_running", "blue_running")),
    st.none() | st.booleans(),
    st.none() | st.floats(0, 60),
)
def test_a_side_is_running_only_by_a_fresh_healthy_check(
    check: str, is_healthy: bool | None, age_s: float | None
) -> None:
    fact = SideFact(is_healthy, "found", None if age_s is None else NOW - timedelta(seconds=age_s))
    finding = machine_item(check, with_(green=fact, blue=fact))
    is_fresh = fact.at is not None and NOW - fact.at <= HEALTH_LIMIT
    assert (finding.state == "yes") == (is_fresh and is_healthy is True)
    assert (finding.state == "no") == (is_fresh and is_healthy is False)


async def facts_now(database: Database, deployment: Deployment, plan: Plan) -> Facts:
    async def read(session: AsyncSession) -> Facts:
        current = await session.get_one(Deployment, deployment.id)
        return await facts_of(session, current, plan, await database_now(session))

    return await database.read(read)


async def test_without_workers_nothing_is_claimed(database: Database, deployment: Deployment, plan: Plan) -> None:
    facts = await facts_now(database, deployment, plan)
    assert [machine_item(check, facts).state for check in CHECKS] == ["unknown", "unknown", "unknown", "no"]


async def test_the_facts_of_a_healthy_range(
    database: Database, deployment: Deployment, plan: Plan, scope_of: ScopeOf
) -> None:
    leader = await scope_of(deployment, "project_manager")

    async def watch(session: AsyncSession) -> None:
        now = await database_now(session)
        await session.execute(
            update(TargetState).values(
                blue_is_healthy=True, blue_found="1 of 1", blue_at=now, green_is_healthy=False, green_at=now
            )
        )
        for metric in plan.metrics:
            for side in Side:
                session.add(
                    Reading(
                        deployment_id=deployment.id,
                        metric=metric.key,
                        side=side.value,
                        at=now,
                        value=1.0,
                        samples=50,
                        source="test",
                    )
                )
        await session.execute(update(RosterSeat).values(seen_at=now))
        await session.execute(
            update(RosterSeat)
            .where(RosterSeat.person_id == leader.viewer.person_id)
            .values(seen_at=func.now() - SEEN - timedelta(seconds=1))
        )

    await database.run(watch)
    facts = await facts_now(database, deployment, plan)
    assert [machine_item(check, facts).state for check in CHECKS] == ["no", "yes", "yes", "no"]
    assert facts.team.absent == ("Project manager",)
    assert "Executive" not in facts.team.absent
