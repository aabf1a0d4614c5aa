"""The routes of a target on AWS: listeners' default actions and rules, by ARN, and what was read of them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.ports.traffic import ProviderError
from app.providers.aws.actions import Action, Groups, NotSteerable, kept, short_hash
from app.providers.aws.calls import Calls

CHUNK = 20
"""ARNs that one Describe call takes."""
EPOCH_TAG = "gonogo:epoch"
OWNER_TAG = "gonogo:owner"
CONFIGURATION_TAG = "gonogo:configuration"
"""The configuration at the last write that raised GREEN."""
STICKY_TAG = "gonogo:stickiness"
"""Seconds of the group stickiness that a switch turned off on that very listener or rule."""


@dataclass(frozen=True, slots=True)
class Route:
    """A listener (its default action) or a rule. `name` is what people read."""

    arn: str
    name: str

    @property
    def is_rule(self) -> bool:
        return ":listener-rule/" in self.arn

    @property
    def listener(self) -> str:
        """The ARN of the listener that carries the target's tags."""
        if not self.is_rule:
            return self.arn
        return self.arn.replace(":listener-rule/", ":listener/").rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Found:
    """What a route is: its actions, and facts about it that a switch never changes."""

    actions: tuple[Action, ...]
    facts: Mapping[str, Any]


def listeners_of(routes: Iterable[Route]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(route.listener for route in routes))


async def describe(calls: Calls, routes: Sequence[Route], *, within: float) -> dict[str, Found]:
    """By ARN. Raises ProviderError, permanent if one does not exist."""
    found: dict[str, Found] = {}
    for part in await asyncio.gather(*parts(calls, routes, within=within)):
        found.update(part)
    return found


def parts(calls: Calls, routes: Sequence[Route], *, within: float) -> list[Any]:
    """The calls that read all routes, each answering for some of them."""
    defaults = [route.arn for route in routes if not route.is_rule]
    rules = [route.arn for route in routes if route.is_rule]
    return [
        *(_listeners(calls, chunk, within) for chunk in chunks(defaults)),
        *(_rules(calls, chunk, within) for chunk in chunks(rules)),
    ]


async def tags(calls: Calls, arns: Sequence[str], *, within: float) -> dict[str, dict[str, str]]:
    """ARN → its tags. Raises ProviderError."""
    answers = await asyncio.gather(
        *(calls.ask("elbv2", "describe_tags", ResourceArns=chunk, within=within) for chunk in chunks(arns))
    )
    return {
        line["ResourceArn"]: {tag["Key"]: str(tag.get("Value", "")) for tag in line.get("Tags", ())}
        for answer in answers
        for line in answer["TagDescriptions"]
    }


def epoch_in(found: Mapping[str, Mapping[str, str]]) -> int:
    """The newest epoch that any listener carries; 0 without one. Something else than a number counts as none."""
    values = [tags.get(EPOCH_TAG, "") for tags in found.values()]
    return max((int(value) for value in values if value.isdecimal()), default=0)


def configuration_of(routes: Sequence[Route], found: Mapping[str, Found], groups: Groups) -> str:
    """A short stable hash of everything but the weights and the stickiness that a switch turns off."""
    material = [
        {"route": route.arn, "facts": found[route.arn].facts, "kept": kept(found[route.arn].actions, groups)}
        for route in sorted(routes, key=lambda route: route.arn)
    ]
    return short_hash({"groups": [groups.blue, groups.green], "routes": material})


def problem_of(route: Route, reason: NotSteerable) -> ProviderError:
    return ProviderError(f"{route.name} cannot be steered: {reason}", permanent=True)


def chunks(arns: Sequence[str]) -> Iterable[list[str]]:
    for start in range(0, len(arns), CHUNK):
        yield list(arns[start : start + CHUNK])


async def _listeners(calls: Calls, arns: list[str], within: float) -> dict[str, Found]:
    answer = await calls.ask("elbv2", "describe_listeners", ListenerArns=arns, within=within)
    found = {line["ListenerArn"]: of_listener(line) for line in answer["Listeners"]}
    return _all(found, arns)


async def _rules(calls: Calls, arns: list[str], within: float) -> dict[str, Found]:
    answer = await calls.ask("elbv2", "describe_rules", RuleArns=arns, within=within)
    found = {line["RuleArn"]: of_rule(line) for line in answer["Rules"]}
    return _all(found, arns)


def _all(found: dict[str, Found], arns: Iterable[str]) -> dict[str, Found]:
    missing = [arn for arn in arns if arn not in found]
    if missing:
        raise ProviderError(f"AWS does not know {', '.join(missing)}", permanent=True)
    return found


def of_listener(line: Mapping[str, Any]) -> Found:
    names = ("LoadBalancerArn", "Port", "Protocol")
    return Found(tuple(line["DefaultActions"]), {name: line.get(name) for name in names})


def of_rule(line: Mapping[str, Any]) -> Found:
    return Found(tuple(line["Actions"]), {name: line.get(name) for name in ("Priority", "Conditions")})
