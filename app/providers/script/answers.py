"""What a team's commands say, and what their exit codes mean. docs/live.md is the contract."""

from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from app.domain.sides import Weights
from app.ports.traffic import ProviderError, RouteWeights
from app.providers.script.running import Ran

APPLIED = 0
STALE = 3
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: nothing was applied."""
REFUSALS = range(64, 79)
"""sysexits.h: nothing was applied, and trying again cannot help."""

Percent = Annotated[int, Field(ge=0, le=100)]


class ScriptRoute(BaseModel):
    route: Annotated[str, Field(min_length=1, max_length=200)]
    blue: Percent
    green: Percent


class ScriptState(BaseModel):
    """What `read` prints. `epoch` is 0 where the script keeps none."""

    routes: Annotated[tuple[ScriptRoute, ...], Field(min_length=1, max_length=500)]
    epoch: Annotated[int, Field(ge=0)] = 0
    configuration: Annotated[str, Field(max_length=200)] = ""

    def weights(self) -> tuple[RouteWeights, ...]:
        return tuple(RouteWeights(one.route, Weights(one.blue, one.green)) for one in self.routes)


class Newest(BaseModel):
    newest: int


def state(ran: Ran, command: str) -> ScriptState:
    """Raises ProviderError unless it ended well and printed weights."""
    if ran.how != "ended" or ran.code != APPLIED:
        raise ProviderError(failure(ran, command), permanent=is_refusal(ran))
    if ran.is_cut:
        raise ProviderError(f"{command} printed too much to be weights")
    try:
        found = ScriptState.model_validate_json(ran.out)
        found.weights()
    except (ValidationError, ValueError) as problem:
        first = str(problem).splitlines()[0]
        raise ProviderError(f"{command} printed something else than weights: {first}: {ran.out[:120]!r}") from problem
    return found


def newest(ran: Ran, epoch: int) -> int:
    """The epoch that a script named when it said that ours is stale; if it did not, one more than ours."""
    try:
        return max(Newest.model_validate_json(ran.out).newest, epoch + 1)
    except ValidationError:
        return epoch + 1


def failure(ran: Ran, command: str) -> str:
    """One line for people."""
    words = {
        "late": "did not end in time",
        "flood": "printed without end",
        "abandoned": "was broken off",
        "not started": "cannot be started",
    }
    what = words.get(ran.how) or (
        f"ended with {ran.code}" if (ran.code or 0) >= 0 else f"was ended by signal {-(ran.code or 0)}"
    )
    left = f" ({ran.survivors} processes could not be ended)" if ran.survivors else ""
    return f"{command} {what}{left}" + (f": {ran.said}" if ran.said else "")


def is_refusal(ran: Ran) -> bool:
    """Nothing was applied, and trying again cannot help."""
    return ran.how == "not started" or (ran.how == "ended" and ran.code in REFUSALS and ran.code != TRY_AGAIN)


def applied_nothing(ran: Ran) -> bool:
    """Surely. A script that broke off in any other way may have done a part."""
    return is_refusal(ran) or (ran.how == "ended" and ran.code == TRY_AGAIN)
