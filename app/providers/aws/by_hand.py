"""How a person moves a target on AWS without gonogo: the exact commands, with the actions last read."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.sides import Weights
from app.ports.traffic import HandStep
from app.providers.aws.access import Access
from app.providers.aws.actions import Action, Groups, NotSteerable, plain_forward, rewritten
from app.providers.aws.routes import EPOCH_TAG, OWNER_TAG, Route, listeners_of


def steps(
    access: Access,
    routes: Sequence[Route],
    groups: Groups,
    actions: Mapping[str, Sequence[Action]],
    weights: Weights,
    epoch: int,
    owner: str,
) -> tuple[HandStep, ...]:
    """A step a route, then the tag, then the look. A route that this process has not read since it started has the
    plain forward, and a step before it that shows what else to keep."""
    found: list[HandStep] = []
    for route in routes:
        found.extend(_route_steps(access, route, groups, actions.get(route.arn), weights))
    tags = [f"Key={EPOCH_TAG},Value={epoch}", f"Key={OWNER_TAG},Value={owner}"]
    mark = _aws(access, "add-tags", "--resource-arns", *listeners_of(routes), "--tags", *tags)
    found.append(HandStep("Note the epoch on the listeners, so that no older operation moves them back", mark))
    found.extend(
        HandStep(f"Look: {route.name} must show BLUE {weights.blue}, GREEN {weights.green}", _look(access, route))
        for route in routes
    )
    return tuple(found)


def _route_steps(
    access: Access, route: Route, groups: Groups, actions: Sequence[Action] | None, weights: Weights
) -> list[HandStep]:
    text = f"Set {route.name} to BLUE {weights.blue}, GREEN {weights.green}"
    if actions is not None:
        try:
            wanted = rewritten(actions, groups, weights)
            return [HandStep(text, _modify(access, route, wanted))]
        except NotSteerable as reason:
            text = f"{text} ({reason})"
    look = HandStep(
        f"gonogo has not read {route.name} since it started: look whether it does more than forward, and keep that",
        _look(access, route),
    )
    return [look, HandStep(text, _modify(access, route, plain_forward(groups, weights)))]


def _modify(access: Access, route: Route, actions: Sequence[Action]) -> str:
    written = json.dumps(list(actions), separators=(",", ":"), default=str)
    if route.is_rule:
        return _aws(access, "modify-rule", "--rule-arn", route.arn, "--actions", written)
    return _aws(access, "modify-listener", "--listener-arn", route.arn, "--default-actions", written)


def _look(access: Access, route: Route) -> str:
    kind = ("describe-rules", "--rule-arns") if route.is_rule else ("describe-listeners", "--listener-arns")
    return _aws(access, *kind, route.arn)


def _aws(access: Access, *words: str) -> str:
    options: dict[str, Any] = {"--profile": access.profile, "--endpoint-url": access.endpoint_url}
    given = [part for name, value in options.items() if value for part in (name, value)]
    command = shlex.join(["aws", "elbv2", *words, "--region", access.region, *given])
    if access.credentials_file is not None:
        command = f"AWS_SHARED_CREDENTIALS_FILE={shlex.quote(str(access.credentials_file))} {command}"
    return command
