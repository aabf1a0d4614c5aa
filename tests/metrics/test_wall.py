"""The wall's view: series, traffic, customers, the operation's card, and its one headline."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Operation, ProbeSummary, TargetState
from app.deployments.commands import database_now
from app.domain.plan import Plan
from app.domain.sides import Side
from app.metrics.commands import PostedReading, store
from app.metrics.queries import BIN_S, SPAN_S, charts, headline, health_of, history, in_service, panel, trend
from app.metrics.queries_wall import wall_of
from app.metrics.views import HeadlineView, WallView
from app.web.templates import page_templates
from tests.metrics.scripted_source import CALM

FIRST_EPOCH = 1


class Stage:
    """A database in which a test sets the scene; all moments are seconds before `now`."""

    def __init__(self, database: Database, deployment: Deployment, plan: Plan, now: datetime) -> None:
        self.database, self.deployment, self.plan, self.now = database, deployment, plan, now

    def ago(self, seconds: float) -> datetime:
        return self.now - timedelta(seconds=seconds)

    async def write(self, *rows: Any) -> None:
        async def work(session: AsyncSession) -> None:
            session.add_all(rows)

        await self.database.run(work)

    async def readings(self, *, age_s: float = 0.5, green: dict[str, float | None] | None = None) -> None:
        made = [
            PostedReading(key, side.value, value, 40, self.ago(age_s))
            for side, values in ((Side.BLUE, CALM), (Side.GREEN, {**CALM, **(green or {})}))
            for key, value in values.items()
        ]
        await self.database.run(lambda session: store(session, self.deployment.id, made, "test"))

    async def traffic(self, *, set_blue: int | None, blue: int, green: int, failed: int = 0, **counted: int) -> None:
        state = update(TargetState).values(set_blue=set_blue, blue_is_healthy=True, blue_at=self.ago(1))
        await self.database.run(lambda session: session.execute(state))
        await self.write(self.second(1, blue=blue, green=green, failed=failed, **counted))

    def second(self, age_s: float, *, blue: int = 0, green: int = 0, failed: int = 0, **counted: int) -> ProbeSummary:
        return ProbeSummary(
            target=self.deployment.target,
            second=self.ago(age_s),
            blue=blue,
            green=green,
            unknown=0,
            failed=failed,
            slowest_ms=9.0,
            customers_requests=counted.get("requests"),
            customers_failed=counted.get("customers_failed", 0),
        )

    def operation(self, kind: str, clicked_ago_s: float, **fields: Any) -> Operation:
        clicked = self.ago(clicked_ago_s)
        made = Operation(
            deployment_id=self.deployment.id,
            attempt=1,
            target=self.deployment.target,
            kind=kind,
            state="observing",
            epoch=FIRST_EPOCH if kind == "switch" else FIRST_EPOCH + 1,
            want_blue=0 if kind == "switch" else 100,
            idempotency_key=kind,
            requested_by="DevOps lead",
            frozen_signoffs={},
            clicked_at=clicked,
            accepted_at=clicked,
        )
        for name, value in fields.items():
            setattr(made, name, value)
        return made

    async def state(self, state: str, **fields: Any) -> None:
        statement = update(Deployment).where(Deployment.id == self.deployment.id).values(state=state, **fields)
        await self.database.run(lambda session: session.execute(statement))

    async def wall(self) -> WallView:
        async def query(session: AsyncSession) -> WallView:
            deployment = await session.get_one(Deployment, self.deployment.id, populate_existing=True)
            return await wall_of(session, deployment, self.plan, self.now)

        return await self.database.read(query)


@pytest.fixture
async def stage(database: Database, deployment: Deployment, plan: Plan) -> Stage:
    return Stage(database, deployment, plan, await database.read(database_now))


async def on_green(stage: Stage) -> None:
    """Twelve minutes after a switch that took 0.83 s."""
    zero = stage.ago(720)
    clicked = zero - timedelta(seconds=0.3)
    await stage.write(
        stage.operation(
            "switch",
            720.3,
            state="done",
            written_at=zero,
            observed_100_at=clicked + timedelta(seconds=0.83),
            finished_at=zero + timedelta(seconds=30),
        )
    )
    await stage.state("switched", switched_at=zero)


async def test_normal_is_a_calm_sentence(stage: Stage) -> None:
    await on_green(stage)
    await stage.readings()
    await stage.traffic(set_blue=0, blue=0, green=24)
    view = await stage.wall()
    assert (view.banner.state, view.banner.title) == ("ok", "Normal. GREEN serves 100 %.")
    assert view.banner.text.startswith("Nothing to do. Rollback is ready: BLUE healthy at ")
    assert view.banner.aside == ("Decision, minute 15, in", "")
    assert view.banner.counts_to == stage.ago(720) + timedelta(minutes=15)
    assert view.operation.seconds == pytest.approx(0.83)
    assert view.traffic_state == "ok"


async def test_critical_names_the_side_the_value_and_who_can_act(stage: Stage) -> None:
    await on_green(stage)
    await stage.readings(green={"error_rate": 2.6, "memory": 83.0})
    await stage.traffic(set_blue=0, blue=0, green=24)
    view = await stage.wall()
    assert (view.banner.state, view.banner.title) == ("crit", "CRITICAL: GREEN error rate")
    assert view.banner.reading == ("readings.error_rate.GREEN", "2.6", "%")
    assert view.banner.text == "Above 1\u00a0%. Continue or rollback?"
    assert view.banner.aside == ("Project manager, DevOps lead or DevOps", "can roll back now")
    verdicts = {row.metric.key: row.verdict for row in view.rows}
    assert (verdicts["error_rate"], verdicts["memory"], verdicts["cpu"]) == ("CRITICAL", "WARNING", "OK")


async def test_unknown_outranks_a_warning_and_is_never_normal(stage: Stage) -> None:
    await on_green(stage)
    await stage.readings(green={"memory": 83.0, "cpu": None})
    await stage.traffic(set_blue=0, blue=0, green=24)
    view = await stage.wall()
    assert (view.banner.state, view.banner.title) == ("unknown", "UNKNOWN: GREEN CPU usage")


async def test_old_readings_say_so(stage: Stage) -> None:
    await stage.readings(age_s=12)
    await stage.traffic(set_blue=100, blue=24, green=0)
    view = await stage.wall()
    assert view.banner.title == "UNKNOWN: no readings at all"
    assert "12\u00a0s ago" in view.banner.text
    assert {row.verdict for row in view.rows} == {"UNKNOWN"}
    assert all(row.blue.figure is None for row in view.rows)


async def test_silent_probes_are_unknown_and_not_normal(stage: Stage) -> None:
    await stage.readings()
    view = await stage.wall()
    assert view.traffic.observed_blue is None
    assert view.banner.state == "unknown"


async def test_probes_that_nobody_answers_are_critical(stage: Stage) -> None:
    await stage.readings()
    await stage.traffic(set_blue=100, blue=0, green=0, failed=24)
    view = await stage.wall()
    assert (view.banner.state, view.traffic_state) == ("crit", "crit")
    assert view.traffic_note == "0 of 24 probes got an answer."


async def test_traffic_that_is_not_as_set_is_a_warning(stage: Stage) -> None:
    await stage.readings()
    await stage.traffic(set_blue=100, blue=12, green=12)
    view = await stage.wall()
    assert (view.banner.state, view.traffic_state) == ("warn", "warn")
    assert view.traffic_note == "12 of 24 probes agree."


async def test_a_running_rollback_outranks_everything(stage: Stage) -> None:
    await on_green(stage)
    await stage.write(stage.operation("rollback", 5, written_at=stage.ago(4)))
    await stage.state("rolling_back")
    await stage.readings(green={"error_rate": 7.9})
    await stage.traffic(set_blue=100, blue=13, green=11)
    view = await stage.wall()
    assert view.banner.title == "ROLLBACK RUNNING"
    assert view.banner.living is not None
    assert view.banner.living.reading == ("traffic.blue", "54", "%"), "it goes on living, as the card beside it does"
    assert view.banner.living.between == " of traffic on BLUE, should be 100 %."
    assert view.banner.started_at is not None
    assert view.banner.ends_at == view.banner.started_at + timedelta(seconds=30)
    assert (view.operation.state, view.operation.running_since) == ("run", stage.ago(5))


async def test_a_rollback_that_is_late_escalates_in_sight(stage: Stage) -> None:
    await on_green(stage)
    await stage.write(stage.operation("rollback", 40, written_at=stage.ago(39)))
    await stage.state("rolling_back")
    view = await stage.wall()
    assert view.banner.aside == ("Not verified in time", "escalated")


async def test_a_hold_says_why_and_by_whom(stage: Stage) -> None:
    await stage.readings()
    await stage.traffic(set_blue=100, blue=24, green=0)
    await stage.state("on_hold", hold_reason="The backup is not done", held_by="Project manager")
    view = await stage.wall()
    assert (view.banner.title, view.banner.text) == ("ON HOLD", "The backup is not done (Project manager)")


async def test_customers_are_counted_from_t_zero(stage: Stage) -> None:
    await on_green(stage)
    await stage.write(
        stage.second(730, blue=24, requests=1000, customers_failed=7),
        stage.second(90, green=24, requests=9000, customers_failed=9),
        stage.second(1, green=24, requests=11000, customers_failed=9),
    )
    view = await stage.wall()
    assert (view.customers.requests, view.customers.failed) == (10_000, 2)
    assert (view.customers.state, view.customers.since) == ("ok", "none in the last minute")


async def test_failures_of_the_last_minute_are_critical(stage: Stage) -> None:
    await stage.write(
        stage.second(90, blue=24, requests=1000, customers_failed=0),
        stage.second(1, blue=24, requests=1500, customers_failed=12),
    )
    view = await stage.wall()
    assert (view.customers.failed, view.customers.state) == (12, "crit")
    assert view.customers.since == "12 in the last minute"


async def test_customers_that_started_anew_count_from_there(stage: Stage) -> None:
    await on_green(stage)
    await stage.write(
        stage.second(730, blue=24, requests=50_000, customers_failed=3),
        stage.second(1, green=24, requests=400, customers_failed=0),
    )
    view = await stage.wall()
    assert (view.customers.requests, view.customers.failed) == (400, 0)


async def test_nobody_counts_customers(stage: Stage) -> None:
    view = await stage.wall()
    assert (view.customers.failed, view.customers.state) == (None, "unknown")


@pytest.mark.parametrize(
    ("set_blue", "blue", "green", "serving"),
    [
        (100, 24, 0, {"BLUE"}),
        (0, 0, 24, {"GREEN"}),
        (90, 20, 4, {"BLUE", "GREEN"}),
        (100, 12, 12, {"BLUE", "GREEN"}),
        (None, 0, 0, {"BLUE", "GREEN"}),
    ],
)
async def test_a_side_serves_by_weight_or_because_probes_met_it(
    stage: Stage, set_blue: int | None, blue: int, green: int, serving: set[str]
) -> None:
    await stage.traffic(set_blue=set_blue, blue=blue, green=green)
    found = await stage.database.read(lambda session: in_service(session, stage.deployment.target, stage.now))
    assert found == serving


# ── the last 15 minutes ───────────────────────────────────────────────────────────────────────────────────────────


async def fill(stage: Stage, values: list[float | None], *, samples: int = 40) -> None:
    """One BLUE response time every 2 s, the last of them 10 s ago."""
    made = [
        PostedReading("response_time", "BLUE", value, samples, stage.ago(10 + 2 * (len(values) - 1 - index)))
        for index, value in enumerate(values)
    ]
    await stage.database.run(lambda session: store(session, stage.deployment.id, made, "test"))


async def blue_trend(stage: Stage) -> list[tuple[float, float | None]]:
    past = await stage.database.read(lambda session: history(session, stage.deployment.id, stage.plan, stage.now))
    return list(trend(past, "response_time", Side.BLUE, stage.now))


async def test_a_spike_survives_downsampling(stage: Stage) -> None:
    await fill(stage, [130.0] * 200 + [1240.0] + [130.0] * 200)
    points = await blue_trend(stage)
    assert len(points) <= SPAN_S // BIN_S + 1
    assert [value for _, value in points].count(1240.0) == 1
    assert points == sorted(points, reverse=True)


async def test_a_dark_spell_is_a_gap_and_not_a_line(stage: Stage) -> None:
    await fill(stage, [130.0] * 30 + [None] * 30 + [130.0] * 30)
    values = [value for _, value in await blue_trend(stage)]
    assert values.count(None) >= 11


async def test_too_few_samples_leave_a_gap_too(stage: Stage) -> None:
    await fill(stage, [130.0] * 30, samples=4)
    assert await blue_trend(stage) == []


async def test_readings_that_ended_stay_a_gap_until_now(stage: Stage) -> None:
    made = [PostedReading("response_time", "BLUE", 130.0, 40, stage.ago(300 + 2 * number)) for number in range(60)]
    await stage.database.run(lambda session: store(session, stage.deployment.id, made, "test"))
    points = await blue_trend(stage)
    assert points[-1][0] < 15
    assert points[-1][1] is None


async def test_panel_and_charts_have_every_metric_of_the_plan(stage: Stage) -> None:
    await stage.readings(green={"memory": 95.0})
    await stage.traffic(set_blue=0, blue=0, green=24)
    view = await stage.database.read(lambda session: panel(session, stage.deployment, stage.plan, stage.now))
    assert [row.metric.key for row in view.rows] == [metric.key for metric in stage.plan.metrics]
    assert view.decisions == ("GREEN memory usage 95\u00a0%: Scale up or rollback?",)
    found = await stage.database.read(lambda session: charts(session, stage.deployment, stage.plan, stage.now))
    assert len(found) == len(stage.plan.metrics)
    health = await stage.database.read(lambda session: health_of(session, stage.deployment, stage.plan, stage.now))
    assert (health.state, health.word) == ("crit", "1 critical")


async def test_the_fragments_render_in_every_state(stage: Stage) -> None:
    templates = page_templates()
    empty = await stage.wall()
    await on_green(stage)
    await stage.readings(green={"error_rate": 2.6, "memory": 83.0, "cpu": None})
    await stage.traffic(set_blue=0, blue=0, green=24, requests=500, customers_failed=3)
    busy = await stage.wall()
    await stage.write(stage.operation("rollback", 5))
    rolling = await stage.wall()
    for view in (empty, busy, rolling):
        html = templates.get_template("metrics/_wall.html").render(wall=view)
        assert 'id="wall"' in html
        assert "None" not in html
        assert "nan" not in html
    assert "ROLLBACK RUNNING" in html
    board = await stage.database.read(lambda session: panel(session, stage.deployment, stage.plan, stage.now))
    html = templates.get_template("metrics/_panel.html").render(metrics=board)
    assert html.count("UNKNOWN") == 1
    assert "CRITICAL" in html
    assert "Continue or rollback?" in html


# ── the metrics page's first sentence ─────────────────────────────────────────────────────────────────────────────


async def first_sentence(stage: Stage) -> tuple[str, str]:
    async def query(session: AsyncSession) -> HeadlineView:
        deployment = await session.get_one(Deployment, stage.deployment.id, populate_existing=True)
        return await headline(session, deployment, stage.plan, stage.now)

    found = await stage.database.read(query)
    return found.title, found.text


@pytest.mark.parametrize(
    ("green", "title", "text"),
    [
        ({}, "Normal: every metric is within its limits", "Nothing to do."),
        ({"memory": 83.0}, "Watch GREEN memory usage 83\u00a0%", "Above 80\u00a0%; critical is above 90\u00a0%."),
        ({"memory": 83.0, "cpu": None}, "UNKNOWN: GREEN CPU usage", "No reading to rely on"),
        (
            {"error_rate": 2.6, "cpu": None},
            "CRITICAL: GREEN error rate 2.6\u00a0%",
            "Above 1\u00a0%. Continue or rollback?",
        ),
    ],
)
async def test_it_names_the_worst_and_what_to_do(
    stage: Stage, green: dict[str, float | None], title: str, text: str
) -> None:
    await on_green(stage)
    await stage.readings(green=green)
    found = await first_sentence(stage)
    assert found[0] == title
    assert found[1].startswith(text)


async def test_without_any_reading_it_says_so(stage: Stage) -> None:
    assert (await first_sentence(stage))[0] == "UNKNOWN: no readings at all"


async def test_after_a_rollback_nobody_is_asked_whether_to_roll_back(stage: Stage) -> None:
    await on_green(stage)
    await stage.readings(green={"error_rate": 2.6})
    await stage.traffic(set_blue=100, blue=24, green=0)
    await stage.state("rolled_back")
    title, text = await first_sentence(stage)
    assert title == "CRITICAL: GREEN error rate 2.6\u00a0%"
    assert text == "Above 1\u00a0%. Traffic went back to BLUE."
    assert (await stage.wall()).banner.text == "Above 1\u00a0%."
