"""The duty: smoke tests are repeated, what they say counts for the side that answered, and new evidence wakes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import Deployment, Operation, TargetState, TriggerCheck
from app.domain.plan import Plan, SmokeTest
from app.domain.sides import Side
from app.ports.probe import HttpAnswer, ProbeResult
from app.ports.traffic import ProviderError
from app.providers.clock import SystemClock
from app.triggers.commands import IncomingAlert, record_alert
from app.triggers.tasks import Guarded, check, find_guarded, guard_all, repeated
from tests.triggers.breached import kinds

PAY = SmokeTest(key="payment", title="Payment answers", path="/pay", contains="paid", within_ms=500)


@dataclass
class Scripted:
    """A prober with an answer a path; a path without one does not answer."""

    answers: dict[str, HttpAnswer]
    asked: list[str] = field(default_factory=list)

    async def probe(self, *, fresh_connection: bool) -> ProbeResult:
        raise NotImplementedError

    async def fetch(self, method: str, path: str) -> HttpAnswer:
        self.asked.append(path)
        if path not in self.answers:
            raise ProviderError(f"{method} {path} had no answer")
        return self.answers[path]

    async def aclose(self) -> None:
        return


def answer(status: int = 200, body: str = "paid", seconds: float = 0.02, side: Side | None = Side.GREEN) -> HttpAnswer:
    return HttpAnswer(status, body, seconds, side)


@pytest.mark.parametrize(
    ("given", "is_in_service", "is_bad", "found"),
    [
        (answer(), True, False, ""),
        (answer(500), True, True, "500 instead of 200"),
        (answer(body="sorry"), True, True, "“paid” is missing"),
        (answer(seconds=0.6), True, True, "600 ms, limit 500 ms"),
        (None, True, True, "had no answer"),
        (answer(500, side=None), True, True, "500 instead of 200"),
        (answer(500, side=Side.BLUE), True, None, "500 instead of 200"),
        (answer(side=Side.BLUE), True, None, ""),
        (None, False, None, "had no answer"),
        (answer(500), False, None, "500 instead of 200"),
    ],
)
async def test_what_a_check_says_of_green(
    given: HttpAnswer | None, is_in_service: bool, is_bad: bool | None, found: str
) -> None:
    result = await check(Scripted({"/pay": given} if given else {}), PAY, is_in_service=is_in_service)
    assert result.is_bad is is_bad
    assert found in result.found


def test_only_named_tests_are_repeated(plan: Plan) -> None:
    assert [test.key for test in repeated(plan, "production")] == ["orders", "sign_in", "payment"]


@asynccontextmanager
async def guarding(database: Database, url: str, prober: Scripted) -> AsyncIterator[None]:
    task = asyncio.create_task(guard_all(database, url, SystemClock(), lambda _: prober))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(database: Database, query: Callable[[AsyncSession], Awaitable[object]], within_s: float = 20) -> object:
    async with asyncio.timeout(within_s):
        while not (found := await database.read(query)):
            await asyncio.sleep(0.05)
    return found


async def rollback(session: AsyncSession) -> Operation | None:
    found: Operation | None = await session.scalar(select(Operation).where(Operation.kind == "rollback"))
    return found


@pytest.fixture
async def held(committed_db: Database, committed_on_green: Deployment) -> Deployment:
    """Arming locked the target for it."""

    async def query(session: AsyncSession) -> list[Guarded]:
        return await find_guarded(session)

    assert [each.deployment_id for each in await committed_db.read(query)] == [committed_on_green.id]
    return committed_on_green


async def test_failing_payments_are_seen_and_rolled_back(
    committed_db: Database, database_url: str, held: Deployment
) -> None:
    prober = Scripted({"/api/orders": answer(), "/login": answer(), "/pay": answer(500)})
    async with guarding(committed_db, database_url, prober):
        back = await until(committed_db, rollback)
    assert isinstance(back, Operation)
    assert "payment system failures: 2 in a row; Payment answers: 500 instead of 200" in back.cause
    checks = await committed_db.read(lambda s: s.scalars(select(TriggerCheck).where(TriggerCheck.is_bad)))
    assert {each.test for each in checks} == {"payment"}
    assert (await kinds(committed_db)).count("triggers.fired") == 1


async def test_an_alert_wakes_it(committed_db: Database, database_url: str, held: Deployment) -> None:
    well = Scripted({"/api/orders": answer(), "/login": answer(), "/pay": answer()})
    async with guarding(committed_db, database_url, well):
        await until(committed_db, lambda session: session.scalar(select(TriggerCheck.id).limit(1)))
        alert = IncomingAlert("Intrusion", "firing", "critical", "security")
        await committed_db.run(lambda session: record_alert(session, held.id, "pager", alert))
        back = await until(committed_db, rollback)
    assert isinstance(back, Operation)
    assert "security_alert" in back.cause


async def test_a_rolled_back_deployment_is_left_alone(
    committed_db: Database, database_url: str, held: Deployment
) -> None:
    await committed_db.run(lambda session: session.execute(update(Deployment).values(state="rolled_back")))
    prober = Scripted({})
    async with guarding(committed_db, database_url, prober):
        await asyncio.sleep(1.5)
    assert prober.asked == []
    assert await committed_db.read(lambda session: session.scalar(select(TargetState.epoch))) == 1001
