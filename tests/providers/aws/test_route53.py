"""Route 53 as what follows the balancer, against the range's simulated AWS."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from app.domain.sides import Side, Weights
from app.ports.traffic import ProviderError
from app.providers.aws.calls import Calls
from app.providers.aws.route53 import AliasRecord, Route53Follower, WeightedRecords
from app.rehearsal.aws.estate import IDENTIFIERS, RECORD
from tests.providers.aws.asking import BLUE, GREEN
from tests.providers.aws.simulated import DNS_MS, SimulatedAws
from tests.providers.gateway import gateway
from tests.providers.traffic_contract import Closed, no_fence


@pytest.fixture
async def follower(aws: SimulatedAws) -> AsyncIterator[Route53Follower]:
    follower = aws.follower()
    await follower._calls.warm("route53")
    await follower.set(BLUE, epoch=1, fence=no_fence)
    yield follower
    await follower.aclose()


def records(aws: SimulatedAws) -> dict[str, dict[str, Any]]:
    found = aws.api("route53").list_resource_record_sets(HostedZoneId=aws.estate.zone)["ResourceRecordSets"]
    return {record.get("SetIdentifier", record["Name"]): record for record in found}


@pytest.mark.parametrize("green", [0, 10, 50, 100])
async def test_a_change_is_pending_and_then_in_sync(aws: SimulatedAws, follower: Route53Follower, green: int) -> None:
    before = records(aws)
    await follower.set(Weights(100 - green, green), epoch=2, fence=no_fence)
    reading = await follower.read()
    assert (reading.state, reading.weights) == ("pending", Weights(100 - green, green))
    await asyncio.sleep(DNS_MS / 1000 + 0.1)
    reading = await follower.read()
    assert (reading.state, reading.weights) == ("in_sync", Weights(100 - green, green))
    after = records(aws)
    for identifier in ("blue", "green"):
        assert after[identifier]["TTL"] == before[identifier]["TTL"] == 60
        assert after[identifier]["ResourceRecords"] == before[identifier]["ResourceRecords"]


async def test_a_refused_change_is_told_until_one_is_taken(aws: SimulatedAws, follower: Route53Follower) -> None:
    aws.strike("error", "ChangeResourceRecordSets", code="AccessDenied", status=403)
    with pytest.raises(ProviderError) as refused:
        await follower.set(GREEN, epoch=2, fence=no_fence)
    assert refused.value.permanent
    reading = await follower.read()
    assert (reading.state, reading.weights) == ("refused", BLUE)
    assert "AccessDenied" in reading.found
    aws.heal()
    await follower.set(GREEN, epoch=2, fence=no_fence)
    assert (await follower.read()).state == "pending"


async def test_a_lost_answer_is_unknown_and_read(aws: SimulatedAws, follower: Route53Follower) -> None:
    aws.strike("dropped", "ChangeResourceRecordSets")
    with pytest.raises(ProviderError) as lost:
        await follower.set(GREEN, epoch=2, fence=no_fence)
    assert lost.value.unknown_outcome
    assert (await follower.read()).weights == GREEN


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_gateway_that_fails_half_way_leaves_the_outcome_unknown(
    aws: SimulatedAws, follower: Route53Follower, status: int
) -> None:
    """It had passed the change on: only a reading tells."""
    with gateway(aws.url, lambda method, _: method == "POST") as between:
        access = replace(aws.access, endpoint_url=between.url)
        behind = Route53Follower(Calls(access), aws.estate.zone, RECORD, "CNAME", WeightedRecords(IDENTIFIERS))
        between.status = status
        with pytest.raises(ProviderError) as failed:
            await behind.set(GREEN, epoch=2, fence=no_fence)
        assert (failed.value.unknown_outcome, failed.value.permanent) == (True, False)
        assert between.writes == 1, "one attempt"
        assert (await follower.read()).weights == GREEN
        await behind.aclose()


async def test_a_closed_fence_stops_it(aws: SimulatedAws, follower: Route53Follower) -> None:
    before = aws.front.applied["ChangeResourceRecordSets"]

    async def closed() -> None:
        raise Closed

    with pytest.raises(Closed):
        await follower.set(GREEN, epoch=2, fence=closed)
    assert aws.front.applied["ChangeResourceRecordSets"] == before
    assert (await follower.read()).weights == BLUE


async def test_a_record_that_is_not_there_is_permanent(aws: SimulatedAws) -> None:
    shape = WeightedRecords({Side.BLUE: "blue", Side.GREEN: "violet"})
    follower = Route53Follower(Calls(aws.access), aws.estate.zone, RECORD, "CNAME", shape)
    with pytest.raises(ProviderError) as missing:
        await follower.read()
    assert missing.value.permanent
    assert "violet" in missing.value.message
    await follower.aclose()


async def test_an_alias_follows_the_larger_share(aws: SimulatedAws) -> None:
    zone, name = aws.estate.zone, "alias.alawael.example"
    names = {side: f"{side.value.lower()}-1.elb.example." for side in Side}
    alias = {"HostedZoneId": "Z215JYRZR1TBD5", "DNSName": names[Side.BLUE], "EvaluateTargetHealth": True}
    record = {"Name": name, "Type": "A", "AliasTarget": alias}
    change = {"Action": "UPSERT", "ResourceRecordSet": record}
    aws.api("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    follower = Route53Follower(
        Calls(aws.access), zone, name, "A", AliasRecord(names, dict.fromkeys(Side, "Z215JYRZR1TBD5"))
    )
    assert (await follower.read()).weights == BLUE
    for wanted, shown in ((Weights(90, 10), BLUE), (Weights(40, 60), GREEN), (GREEN, GREEN), (BLUE, BLUE)):
        await follower.set(wanted, epoch=3, fence=no_fence)
        assert (await follower.read()).weights == shown
    assert records(aws)[name + "."]["AliasTarget"]["EvaluateTargetHealth"] is True
    await follower.aclose()
