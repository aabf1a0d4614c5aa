"""What machines send to the API."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.metrics.commands import POST_LIMIT
from app.web.form import first_of


class Posted(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadingIn(Posted):
    """A metric's value at a time, for a side; in the unit that the plan gives the metric."""

    metric: Annotated[str, StringConstraints(min_length=1, max_length=48)] = Field(description="Key in the plan")
    side: Literal["BLUE", "GREEN"]
    value: float | None = Field(description="null where the source had no figure: UNKNOWN, never zero")
    samples: int = Field(ge=0, le=2**31 - 1, description="How many observations stand behind the value")
    at: AwareDatetime = Field(description="With zone; at most an hour ago and 5 s ahead")


class ReadingsIn(Posted):
    readings: Annotated[list[ReadingIn], Field(min_length=1, max_length=POST_LIMIT)]


class RollbackIn(Posted):
    """`key` makes a repeated request the same request: choose one for each intent and keep it in retries."""

    key: Annotated[str, StringConstraints(min_length=8, max_length=40, pattern=r"^[A-Za-z0-9._:-]+$")]
    cause: Annotated[str, StringConstraints(max_length=500), BeforeValidator(first_of(500))] = ""
    although_blue_is_unhealthy: bool = False
