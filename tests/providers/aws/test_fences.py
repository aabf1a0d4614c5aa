"""Nothing leaves for AWS that a newer operation has overtaken."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from app.domain.sides import Weights
from app.ports.traffic import StaleEpoch
from app.providers.aws.balancer import AwsBalancer
from tests.providers.aws.asking import BLUE, GREEN, LISTENER, failed
from tests.providers.aws.simulated import SimulatedAws
from tests.providers.traffic_contract import Closed, no_fence


async def test_a_newer_operation_is_seen_at_the_wire(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    """The fence is open when it is awaited and closed when the bytes would leave."""
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    epoch = next(epochs)
    await target.write(Weights(99, 1), epoch=epoch, fence=no_fence)
    before, asked = aws.front.received["ModifyListener"], []

    async def closing() -> None:
        asked.append(threading.current_thread())
        if len(asked) > 3:
            raise Closed

    with pytest.raises(Closed):
        await target.write(GREEN, epoch=epoch, fence=closing)
    assert len(asked) > 3, "asked once for each route, and again at the wire"
    assert aws.front.received["ModifyListener"] == before
    assert (await target.read()).agrees(Weights(99, 1))


async def test_a_call_whose_caller_gave_up_never_leaves(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    await target.write(BLUE, epoch=next(epochs), fence=no_fence)
    before = dict(aws.front.received)
    asked = 0

    async def slow_at_the_wire() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.4 if asked > 1 else 0)

    writing = asyncio.create_task(target.write(GREEN, epoch=next(epochs), fence=slow_at_the_wire))
    await asyncio.sleep(0.3)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await asyncio.sleep(0.6)
    for operation in ("AddTags", "ModifyListener", "ModifyRule"):
        assert aws.front.received[operation] == before[operation]


async def test_an_effect_without_a_gate_never_leaves(aws: SimulatedAws, target: AwsBalancer) -> None:
    """Whoever calls the client past `effect` sends nothing."""
    before = aws.front.received["ModifyListener"]
    arn = aws.estate.routes[LISTENER]
    problem = await failed(
        target._calls.ask("elbv2", "modify_listener", ListenerArn=arn, DefaultActions=aws.actions_of(LISTENER))
    )
    assert "without a gate" in problem.message
    assert aws.front.received["ModifyListener"] == before


async def test_another_process_with_an_older_epoch_is_refused_by_the_tag(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    older, newer = next(epochs), next(epochs)
    await target.write(BLUE, epoch=newer, fence=no_fence)
    other = aws.balancer()
    for weights in (GREEN, BLUE):
        with pytest.raises(StaleEpoch):
            await other.write(weights, epoch=older, fence=no_fence)
    await other.aclose()
    assert (await target.read()).epoch == newer
