"""ports.follower on Route 53: records that follow the balancer, as weighted records or as one alias.

Nothing waits for them: a change is sent after the balancer's write, and read until it is in sync everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.sides import Side, Weights
from app.ports.follower import FollowerReading
from app.ports.traffic import Fence, ProviderError
from app.providers.aws.calls import Calls

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WeightedRecords:
    """Two records of the same name and type, told apart by their set identifiers."""

    identifiers: Mapping[Side, str]


@dataclass(frozen=True, slots=True)
class AliasRecord:
    """One record that is an alias of one side's own name. It cannot be divided: it follows the larger share."""

    names: Mapping[Side, str]
    zones: Mapping[Side, str]
    """The hosted zones that the names are in (of a load balancer: the one AWS gives it)."""


class Route53Follower:
    """`name` and `kind` ("A", "AAAA", "CNAME") of the records in hosted zone `zone`."""

    def __init__(self, calls: Calls, zone: str, name: str, kind: str, shape: WeightedRecords | AliasRecord) -> None:
        self._calls, self._zone, self._kind, self._shape = calls, zone, kind, shape
        self._name = _canonical(name)
        self._change = ""
        self._refused = ""

    async def set(self, weights: Weights, *, epoch: int, fence: Fence) -> None:
        """One batch, which AWS takes or refuses as a whole. Everything else of the records stays as it is."""
        wanted = self._wanted(await self._records(), weights)
        batch = {
            "Comment": f"gonogo epoch {epoch}",
            "Changes": [{"Action": "UPSERT", "ResourceRecordSet": record} for record in wanted],
        }
        try:
            answer = await self._calls.effect(
                "route53", "change_resource_record_sets", fence=fence, HostedZoneId=self._zone, ChangeBatch=batch
            )
        except ProviderError as problem:
            self._refused = "" if problem.unknown_outcome else problem.message
            raise
        self._refused, self._change = "", str(answer["ChangeInfo"]["Id"])

    async def read(self) -> FollowerReading:
        weights = self._weights(await self._records())
        shown = f"BLUE {weights}" if weights else "neither side"
        if self._refused:
            return FollowerReading("refused", weights, f"{shown}; the last change was refused: {self._refused}")
        if self._change:
            answer = await self._calls.ask("route53", "get_change", Id=self._change)
            if answer["ChangeInfo"]["Status"] != "INSYNC":
                return FollowerReading("pending", weights, f"{shown}, change {_short(self._change)} is on its way")
            return FollowerReading("in_sync", weights, f"{shown}, change {_short(self._change)} in sync")
        return FollowerReading("in_sync", weights, f"{shown}, no change of ours under way")

    async def aclose(self) -> None:
        self._calls.close()

    # ── records ─────────────────────────────────────────────────────────────

    async def _records(self) -> dict[str, Record]:
        """Set identifier (empty without one) → record, of our name and type. Raises ProviderError."""
        answer = await self._calls.ask(
            "route53",
            "list_resource_record_sets",
            HostedZoneId=self._zone,
            StartRecordName=self._name,
            StartRecordType=self._kind,
            MaxItems="100",
        )
        return {
            str(record.get("SetIdentifier", "")): record
            for record in answer["ResourceRecordSets"]
            if _canonical(record["Name"]) == self._name and record["Type"] == self._kind
        }

    def _wanted(self, records: Mapping[str, Record], weights: Weights) -> list[Record]:
        """The records as they will be, the side that gains first."""
        if isinstance(self._shape, AliasRecord):
            record = self._of(records, "")
            side = Side.GREEN if weights.green > weights.blue else Side.BLUE
            alias = {"EvaluateTargetHealth": False, **record.get("AliasTarget", {})}
            alias |= {"DNSName": self._shape.names[side], "HostedZoneId": self._shape.zones[side]}
            return [{**record, "AliasTarget": alias}]
        order = (Side.GREEN, Side.BLUE) if weights.green >= weights.blue else (Side.BLUE, Side.GREEN)
        return [{**self._of(records, self._shape.identifiers[side]), "Weight": weights.of(side)} for side in order]

    def _weights(self, records: Mapping[str, Record]) -> Weights | None:
        if isinstance(self._shape, AliasRecord):
            name = _canonical(str(self._of(records, "").get("AliasTarget", {}).get("DNSName", "")))
            found = [side for side in Side if _canonical(self._shape.names[side]) == name]
            return Weights.all_to(found[0]) if found else None
        blue, green = (int(self._of(records, self._shape.identifiers[side]).get("Weight", 0)) for side in Side)
        if blue + green == 0:
            return None
        share = round(100 * green / (blue + green))
        return Weights(100 - share, share)

    def _of(self, records: Mapping[str, Record], identifier: str) -> Record:
        if identifier not in records:
            named = f" with the set identifier {identifier}" if identifier else ""
            raise ProviderError(f"Route 53 has no {self._kind} record {self._name}{named}", permanent=True)
        return records[identifier]


def _canonical(name: str) -> str:
    """Route 53 answers in lower case, with a dot at the end, and an asterisk as an escape."""
    return name.lower().rstrip(".").replace("\\052", "*") + "."


def _short(change: str) -> str:
    return change.rpartition("/")[2]
