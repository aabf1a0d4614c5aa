"""What must be true on AWS before a switch may be armed, from calls that change nothing.

Each question is asked by itself, so that one without an answer (is_ok None) leaves the others theirs. What AWS offers
no harmless proof for is said in the finding, not passed over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.sides import Side
from app.ports.traffic import Finding, ProviderError, SideHealth
from app.providers.aws.actions import FORWARD, Groups, NotSteerable, forward_of, groups_in, others_in, sticky_for
from app.providers.aws.calls import WHOLE, Calls
from app.providers.aws.routes import (
    CONFIGURATION_TAG,
    EPOCH_TAG,
    OWNER_TAG,
    STICKY_TAG,
    Found,
    Route,
    configuration_of,
    describe,
    epoch_in,
    tags,
)

WRITES = (
    *("elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule"),
    "elasticloadbalancing:AddTags",
)
MANAGED_BY = {
    "aws:cloudformation:stack-name": "CloudFormation stack",
    "terraform": "Terraform",
    "managed-by": "",
    "ManagedBy": "",
    "elbv2.k8s.aws/cluster": "the load balancer controller of cluster",
}
"""Tags by which other tools say that a listener is theirs."""


@dataclass(frozen=True)
class Ground:
    """What the questions are about."""

    calls: Calls
    routes: Sequence[Route]
    listeners: Sequence[str]
    groups: Groups
    owner: str


async def findings(ground: Ground, healths: Mapping[Side, Awaitable[SideHealth]]) -> tuple[Finding, ...]:
    """In the order in which people would put things right."""
    who, reading, tagged, rules, *counted = await asyncio.gather(
        _settled(ground.calls.ask("sts", "get_caller_identity")),
        _settled(describe(ground.calls, ground.routes, within=WHOLE)),
        _settled(tags(ground.calls, (*ground.listeners, *_rule_arns(ground)), within=WHOLE)),
        _settled(_all_rules(ground)),
        *(_settled(health) for health in healths.values()),
    )
    return (
        _credentials(who),
        await _writing(ground, who),
        _reading(ground, reading),
        _if_read("other_actions", "Other actions are known and kept", reading, lambda found: _other(ground, found)),
        _if_read("green_attached", "GREEN is attached to every route", reading, lambda found: _attached(ground, found)),
        _if_read("third_groups", "No third target group serves", reading, lambda found: _third(ground, found)),
        _if_read("stickiness", "No cookie holds customers back", reading, lambda found: _sticky(ground, found, tagged)),
        _covered(ground, rules),
        _drift(ground, reading, tagged),
        _owned(ground, tagged),
        *(_healthy(side, health) for side, health in zip(healths, counted, strict=True)),
    )


async def _settled(asking: Awaitable[Any]) -> Any:
    """The answer, or the ProviderError."""
    try:
        return await asking
    except ProviderError as problem:
        return problem


def _unanswered(key: str, title: str, problem: ProviderError, remedy: str = "") -> Finding:
    """A refusal is an answer; silence is none."""
    return Finding(key, title, False if problem.permanent else None, problem.message, remedy)


def _if_read(key: str, title: str, reading: Any, judge: Callable[[dict[str, Found]], tuple[bool, str, str]]) -> Finding:
    if isinstance(reading, ProviderError):
        return Finding(key, title, None, "the routes could not be read")
    try:
        is_ok, found, remedy = judge(reading)
    except NotSteerable as reason:
        is_ok, found, remedy = False, str(reason), "Let every route of site.yaml forward to BLUE and GREEN by weight."
    return Finding(key, title, is_ok, found, remedy)


def _credentials(who: Any) -> Finding:
    title = "AWS knows who gonogo is"
    if isinstance(who, ProviderError):
        return _unanswered("credentials", title, who, "Check profile and role in site.yaml.")
    return Finding("credentials", title, True, f"{who['Arn']} of account {who['Account']}")


async def _writing(ground: Ground, who: Any) -> Finding:
    """AWS has no dry run of these calls; IAM's simulator is the only harmless way to ask."""
    title = "gonogo may write the weights"
    remedy = f"Allow {', '.join(WRITES)}, and iam:SimulatePrincipalPolicy so that it can be asked: docs/live.md."
    if isinstance(who, ProviderError):
        return Finding("may_write", title, None, "not asked, without credentials")
    arns = sorted({route.arn for route in ground.routes} | set(ground.listeners))
    try:
        answer = await ground.calls.ask(
            "iam",
            "simulate_principal_policy",
            PolicySourceArn=principal_of(str(who["Arn"])),
            ActionNames=list(WRITES),
            ResourceArns=arns,
        )
    except ProviderError as problem:
        found = f"not proven: IAM's simulator does not answer ({problem.message})"
        return Finding("may_write", title, None, found, remedy)
    denied = sorted(
        {
            str(line["EvalActionName"])
            for line in answer["EvaluationResults"]
            if line["EvalDecision"] != "allowed" and not _is_beside_the_point(line)
        }
    )
    if denied:
        return Finding("may_write", title, False, f"IAM's simulator denies {', '.join(denied)}", remedy)
    found = "IAM's simulator allows all writes; it does not know every policy of an organisation"
    return Finding("may_write", title, True, found)


def _is_beside_the_point(line: Mapping[str, Any]) -> bool:
    """ModifyRule is for rules, ModifyListener for listeners; the simulator answers for each pair."""
    action, arn = str(line["EvalActionName"]), str(line.get("EvalResourceName", ""))
    is_rule = ":listener-rule/" in arn
    return (action.endswith("ModifyRule") and ":listener/" in arn) or (action.endswith("ModifyListener") and is_rule)


def principal_of(arn: str) -> str:
    """IAM simulates a role, not one of its sessions. (A role's path is not in its session's ARN.)"""
    head, _, tail = arn.partition(":assumed-role/")
    if not tail:
        return arn
    return f"{head.replace(':sts:', ':iam:')}:role/{tail.partition('/')[0]}"


def _reading(ground: Ground, reading: Any) -> Finding:
    title = "Every route of the target can be read"
    if isinstance(reading, ProviderError):
        return _unanswered("may_read", title, reading, "Check the ARNs in site.yaml and the permissions: docs/live.md.")
    return Finding(
        "may_read",
        title,
        True,
        f"{_count(len(ground.routes), 'route')} read, {_count(len(ground.listeners), 'listener')}",
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _other(ground: Ground, found: Mapping[str, Found]) -> tuple[bool, str, str]:
    kinds: dict[str, list[str]] = {}
    for route in ground.routes:
        forward_of(found[route.arn].actions)
        for action in found[route.arn].actions:
            if action.get("Type") != FORWARD:
                kinds.setdefault(str(action.get("Type")), []).append(route.name)
    if not kinds:
        return True, "every route only forwards", ""
    return True, "; ".join(f"{kind} on {', '.join(names)}" for kind, names in kinds.items()) + ": kept as it is", ""


def _attached(ground: Ground, found: Mapping[str, Found]) -> tuple[bool, str, str]:
    missing = [
        f"{side} on {route.name}"
        for route in ground.routes
        for side in Side
        if ground.groups.of(side) not in groups_in(forward_of(found[route.arn].actions))
    ]
    remedy = "Add the target group to the action with weight 0: without a listener it gets no health checks."
    if missing:
        return False, f"missing: {', '.join(missing)}", remedy
    return True, f"both target groups are in all {len(ground.routes)} routes", ""


def _third(ground: Ground, found: Mapping[str, Found]) -> tuple[bool, str, str]:
    serving = [
        f"{arn.rpartition('targetgroup/')[2]} with weight {weight} on {route.name}"
        for route in ground.routes
        for arn, weight in others_in(found[route.arn].actions, ground.groups).items()
        if weight
    ]
    remedy = "Give it weight 0: a share of the customers would be on neither release, whatever is switched."
    return (False, ", ".join(serving), remedy) if serving else (True, "only BLUE and GREEN have weight", "")


def _sticky(ground: Ground, found: Mapping[str, Found], tagged: Any) -> tuple[bool, str, str]:
    on = [f"{route.name} ({seconds} s)" for route in ground.routes if (seconds := sticky_for(found[route.arn].actions))]
    if on:
        return True, f"group stickiness is on for {', '.join(on)}; the switch turns it off and notes it", ""
    noted = [] if isinstance(tagged, ProviderError) else [arn for arn, own in tagged.items() if STICKY_TAG in own]
    before = f"; an earlier switch turned it off on {len(noted)}" if noted else ""
    return True, f"group stickiness is off on all routes{before}", ""


async def _all_rules(ground: Ground) -> dict[str, list[dict[str, Any]]]:
    answers = await asyncio.gather(
        *(ground.calls.ask("elbv2", "describe_rules", ListenerArn=arn) for arn in ground.listeners)
    )
    return {arn: answer["Rules"] for arn, answer in zip(ground.listeners, answers, strict=True)}


def _covered(ground: Ground, rules: Any) -> Finding:
    """A rule beside the target's own that forwards to BLUE keeps its customers there."""
    title = "No other rule of these listeners forwards to BLUE or GREEN"
    if isinstance(rules, ProviderError):
        return _unanswered("covered", title, rules)
    pinned = {route.arn for route in ground.routes}
    own = {ground.groups.blue, ground.groups.green}
    strangers = [
        str(rule["RuleArn"])
        for listener, lines in rules.items()
        for rule in lines
        if (listener if rule.get("IsDefault") else rule["RuleArn"]) not in pinned
        and any(own & groups_in(action).keys() for action in rule["Actions"] if action.get("Type") == FORWARD)
    ]
    if strangers:
        return Finding("covered", title, False, ", ".join(strangers), "Add them to the target's routes in site.yaml.")
    return Finding("covered", title, True, f"{sum(len(lines) for lines in rules.values())} rules looked at")


def _drift(ground: Ground, reading: Any, tagged: Any) -> Finding:
    """Against what gonogo itself left on the target; against what the sign-offs are bound to, T−5 compares."""
    title = "The configuration is the one gonogo last left"
    if isinstance(reading, ProviderError) or isinstance(tagged, ProviderError):
        return Finding("drift", title, None, "routes or tags could not be read")
    try:
        now = configuration_of(ground.routes, reading, ground.groups)
    except NotSteerable as reason:
        return Finding("drift", title, False, str(reason))
    left = {own[CONFIGURATION_TAG] for own in tagged.values() if CONFIGURATION_TAG in own}
    if not left:
        return Finding("drift", title, True, f"configuration {now}; gonogo has raised GREEN here never before")
    if left != {now}:
        found = f"configuration {now}, at the last switch it was {', '.join(sorted(left))}"
        return Finding("drift", title, True, found, "Somebody changed rules or actions since: look whether on purpose.")
    return Finding("drift", title, True, f"configuration {now}, as at the last switch")


def _owned(ground: Ground, tagged: Any) -> Finding:
    title = "Nobody else steers this target"
    if isinstance(tagged, ProviderError):
        return _unanswered("owner", title, tagged)
    owners = {own[OWNER_TAG] for own in tagged.values() if OWNER_TAG in own}
    foreign = sorted(owners - {ground.owner})
    if foreign:
        remedy = f"Agree who does, then remove the tag {OWNER_TAG} or set `owner` in site.yaml."
        return Finding("owner", title, False, f"the tag {OWNER_TAG} says {', '.join(foreign)}", remedy)
    managers = sorted(
        {f"{words} {own[key]}".strip() for own in tagged.values() for key, words in MANAGED_BY.items() if key in own}
    )
    if managers:
        remedy = "Do not let it run during the deployment: it would set its own weights again."
        return Finding("owner", title, True, f"managed by {', '.join(managers)}, which sees weights as drift", remedy)
    epoch = epoch_in({arn: tagged.get(arn, {}) for arn in ground.listeners})
    return Finding("owner", title, True, f"{EPOCH_TAG} {epoch}, owner {ground.owner if owners else 'nobody yet'}")


def _healthy(side: Side, health: Any) -> Finding:
    key, title = f"{side.value.lower()}_healthy", f"Enough targets of {side} are healthy"
    if isinstance(health, ProviderError):
        return _unanswered(key, title, health)
    found = f"{health.healthy} of at least {health.required}: {health.detail}"
    remedy = "" if health.is_healthy else "A group that no listener uses gets no health checks; otherwise look at it."
    return Finding(key, title, health.is_healthy, found, remedy)


def _rule_arns(ground: Ground) -> tuple[str, ...]:
    return tuple(route.arn for route in ground.routes if route.is_rule)
