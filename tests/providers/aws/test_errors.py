"""What AWS answers, or does not, and what that means for a switch and for the way back."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.sides import Side, Weights
from app.ports.traffic import ProviderError, StaleEpoch
from app.providers.aws import balancer
from app.providers.aws.balancer import AwsBalancer
from app.providers.aws.calls import WHOLE
from tests.providers.aws.asking import BLUE, GREEN, LISTENER, PAY, RULE, failed
from tests.providers.aws.simulated import SimulatedAws
from tests.providers.gateway import gateway
from tests.providers.traffic_contract import no_fence


@pytest.mark.parametrize(
    ("fault", "is_permanent", "is_unknown", "waits"),
    [
        ({"kind": "error", "code": "Throttling"}, False, False, True),
        ({"kind": "error", "code": "ThrottlingException", "status": 429}, False, False, True),
        ({"kind": "error", "code": "AccessDenied", "status": 403}, True, False, False),
        ({"kind": "error", "code": "ValidationError"}, True, False, False),
        ({"kind": "error", "code": "ExpiredToken", "status": 403}, False, False, False),
        ({"kind": "error", "code": "InternalFailure", "status": 500}, False, True, False),
        ({"kind": "error", "code": "ServiceUnavailable", "status": 503}, False, True, False),
    ],
)
async def test_what_aws_answers_means(
    aws: SimulatedAws,
    target: AwsBalancer,
    epochs: Iterator[int],
    fault: dict[str, Any],
    is_permanent: bool,
    is_unknown: bool,
    waits: bool,
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    for operation in ("ModifyListener", "ModifyRule"):
        aws.strike(operation=operation, **fault)
    problem = await failed(target.write(GREEN, epoch=next(epochs), fence=no_fence))
    assert (problem.permanent, problem.unknown_outcome) == (is_permanent, is_unknown)
    assert (problem.retry_after is not None) is waits
    assert {line.route for line in problem.routes} == {LISTENER, RULE, PAY}
    assert (await target.read()).agrees(BLUE)


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_gateway_that_fails_half_way_leaves_the_outcome_unknown(
    aws: SimulatedAws, epochs: Iterator[int], status: int
) -> None:
    """It answers with a page of its own and not in AWS's words, after it passed the writes on: only a reading tells."""
    with gateway(aws.url, lambda _, body: b"Action=Modify" in body) as between:
        target = aws.balancer(endpoint_url=between.url)
        await target.write(BLUE, epoch=next(epochs), fence=no_fence)
        before = between.writes
        between.status = status
        problem = await failed(target.write(GREEN, epoch=next(epochs), fence=no_fence))
        assert (problem.unknown_outcome, problem.permanent) == (True, False)
        assert {(line.route, line.outcome) for line in problem.routes} == {
            (name, "unknown") for name in (LISTENER, RULE, PAY)
        }
        assert between.writes - before == 3, "one attempt a route"
        assert (await target.read()).agrees(GREEN)
        await target.aclose()


@pytest.mark.parametrize(("kind", "ms"), [("slow", 2600), ("drip", 250)])
async def test_neither_a_slow_nor_a_dripping_answer_passes_the_deadline(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int], kind: str, ms: int
) -> None:
    """A call that waited would have its answer after 2.6 s, or drip for minutes: it ends after 3 s at most, whatever
    comes. What is more than that is a busy machine's."""
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    aws.strike(kind, "ModifyRule", ms=ms)
    started = time.monotonic()
    problem = await failed(target.write(GREEN, epoch=next(epochs), fence=no_fence))
    assert problem.unknown_outcome
    assert time.monotonic() - started < WHOLE + 3


async def test_a_partial_failure_tells_of_every_route(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    aws.strike("error", "ModifyListener")
    epoch = next(epochs)
    problem = await failed(target.write(GREEN, epoch=epoch, fence=no_fence))
    assert [(line.route, line.outcome) for line in problem.routes] == [
        (LISTENER, "refused"),
        (RULE, "applied"),
        (PAY, "applied"),
    ]
    assert problem.unknown_outcome, "a part was applied: it has to be read before anything is decided"
    reading = await target.read()
    assert reading.weights is None
    assert {line.route: line.weights for line in reading.routes} == {LISTENER: BLUE, RULE: GREEN, PAY: GREEN}
    aws.heal()
    before = aws.writes()
    outcomes = await target.write(GREEN, epoch=epoch, fence=no_fence)
    assert aws.writes() - before == 1, "only the route that was missing is written again"
    assert [line.detail for line in outcomes] == ["0 / 100", "it was set already", "it was set already"]
    assert (await target.read()).agrees(GREEN)


async def test_green_moves_nowhere_without_its_epoch_on_the_target(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    aws.strike("error", "AddTags")
    problem = await failed(target.write(GREEN, epoch=next(epochs), fence=no_fence))
    assert not problem.unknown_outcome
    assert {line.outcome for line in problem.routes} == {"refused"}
    assert (await target.read()).agrees(BLUE)


async def test_the_way_back_is_not_held_up_by_tags_or_by_reading(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    """All of Describe is throttled for ever, and AddTags hangs; the target was read before."""
    await target.write(GREEN, epoch=next(epochs), fence=no_fence)
    for operation in ("DescribeListeners", "DescribeRules", "DescribeTags"):
        aws.strike("error", operation)
    aws.strike("slow", "AddTags", ms=2500)
    started = time.monotonic()
    outcomes = await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    assert {line.outcome for line in outcomes} == {"applied"}
    assert time.monotonic() - started < 2.8
    aws.heal()
    assert (await target.read()).agrees(BLUE)


async def test_the_switch_begins_from_the_reading_that_was_just_compared(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One reading serves one write, and no longer than a moment; a rollback and a second write ask anew."""

    async def asked(weights: Weights) -> int:
        before = aws.front.received["DescribeTags"]
        await target.write(weights, epoch=next(epochs), fence=no_fence)
        return aws.front.received["DescribeTags"] - before

    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    await target.read()
    assert await asked(GREEN) == 0
    assert (await target.read()).agrees(GREEN)
    assert await asked(BLUE) == 1
    assert await asked(GREEN) == 1
    await asked(BLUE)
    await target.read()
    monkeypatch.setattr(balancer, "READ_COUNTS_FOR", 0.0)
    assert await asked(GREEN) == 1


async def test_a_newer_epoch_that_was_read_is_not_overwritten(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    old, new = next(epochs), next(epochs)
    other = aws.balancer()
    await other.write(BLUE, epoch=new, fence=no_fence)
    await other.aclose()
    await target.read()
    with pytest.raises(StaleEpoch):
        await target.write(GREEN, epoch=old, fence=no_fence)
    assert (await target.read()).agrees(BLUE)


async def test_half_of_the_calls_throttled_is_read_and_written_in_time(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    """As the orchestrator does it: write, on an error read, again."""
    await target.write(GREEN, epoch=next(epochs), fence=no_fence)
    aws.strike("error", percent=50)
    epoch, started, attempts = next(epochs), time.monotonic(), 0
    while True:
        attempts += 1
        with contextlib.suppress(ProviderError):
            await target.write(BLUE, epoch=epoch, fence=no_fence)
            break
        await asyncio.sleep(0.1)
    for _ in range(5):
        assert (await target.read()).agrees(BLUE)
    assert time.monotonic() - started < 15, f"{attempts} attempts"


async def test_calls_that_hang_do_not_hold_up_a_rollback(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    aws.strike("slow", "DescribeTargetHealth", ms=2500)
    asking = [asyncio.create_task(target.health(side)) for side in Side for _ in range(30)]
    await asyncio.sleep(0.3)
    started = time.monotonic()
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    assert time.monotonic() - started < 2.8
    await asyncio.gather(*asking, return_exceptions=True)
