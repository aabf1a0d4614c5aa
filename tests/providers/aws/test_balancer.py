"""AWS as a target: the contract on moto and behind the range's front, its faults, and the commands by hand."""

import itertools
import json
import shlex
from collections.abc import AsyncIterator, Iterator

import pytest

from app.ports.traffic import TrafficTarget
from app.providers.aws.balancer import AwsBalancer
from tests.providers.aws.asking import BLUE, GREEN
from tests.providers.aws.simulated import SimulatedAws
from tests.providers.traffic_contract import FaultContract, TrafficContract, no_fence


class TestBehindTheFront(TrafficContract):
    pass


class TestOnMoto(TrafficContract):
    """moto itself, without what the front adds."""

    @pytest.fixture
    async def target(self, aws: SimulatedAws) -> AsyncIterator[AwsBalancer]:
        target = aws.balancer(bare=True)
        yield target
        await target.aclose()

    async def test_a_preflight_finds_nothing_wrong_and_changes_nothing(
        self, target: TrafficTarget, epochs: Iterator[int]
    ) -> None:
        """moto has no policy simulator, so what may be written is not proven, and the finding says so."""
        await target.write(BLUE, epoch=next(epochs), fence=no_fence)
        before = await target.read()
        findings = {finding.key: finding for finding in await target.preflight()}
        assert findings.pop("may_write").is_ok is None
        assert [finding for finding in findings.values() if finding.is_ok is not True] == []
        assert await target.read() == before


class Front:
    """Faults on every write of weights."""

    def __init__(self, aws: SimulatedAws) -> None:
        self._aws = aws

    async def strike(self, fault: str) -> None:
        kind = {"refused": "error", "lost": "dropped", "vanished": "reset", "late": "late"}[fault]
        for operation in ("ModifyListener", "ModifyRule"):
            self._aws.strike(kind, operation, ms=500 if kind == "late" else 0)

    async def heal(self) -> None:
        self._aws.heal()

    async def writes(self) -> int | None:
        return self._aws.writes()


class TestFaults(FaultContract):
    @pytest.fixture
    def faulty(self, aws: SimulatedAws) -> Front:
        return Front(aws)


async def test_the_commands_by_hand_do_what_they_say(
    aws: SimulatedAws, target: AwsBalancer, epochs: Iterator[int]
) -> None:
    """Each command, taken apart and sent by somebody else, moves the target to BLUE and leaves the epoch."""
    await target.write(GREEN, epoch=next(epochs), fence=no_fence)
    epoch = next(epochs)
    elb = aws.api("elbv2")
    for step in target.by_hand(BLUE, epoch=epoch):
        words = shlex.split(step.command)
        assert "<" not in step.command
        given = dict(itertools.pairwise(words))
        match words[words.index("elbv2") + 1]:
            case "modify-listener":
                elb.modify_listener(
                    ListenerArn=given["--listener-arn"], DefaultActions=json.loads(given["--default-actions"])
                )
            case "modify-rule":
                elb.modify_rule(RuleArn=given["--rule-arn"], Actions=json.loads(given["--actions"]))
            case "add-tags":
                tags = [dict(pair.split("=") for pair in word.split(",")) for word in words if word.startswith("Key=")]
                elb.add_tags(ResourceArns=[given["--resource-arns"]], Tags=tags)
    reading = await target.read()
    assert reading.agrees(BLUE)
    assert reading.epoch == epoch


async def test_by_hand_before_anything_was_read_says_so(target: AwsBalancer) -> None:
    steps = target.by_hand(BLUE, epoch=1)
    assert "has not read listener :80" in steps[0].text
    assert steps[0].command.startswith("AWS_SHARED_CREDENTIALS_FILE=")
    assert any("modify-rule" in step.command for step in steps)
