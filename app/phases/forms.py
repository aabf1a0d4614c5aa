"""What people send from the pages of the phases."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.web.form import PageForm


class PhaseForm(PageForm):
    """`version` is the one the page showed. The reason's length is the domain's to judge, so that its sentence stands
    at the field."""

    reason: str = ""
    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class AgreeForm(PageForm):
    """What the page showed: the phase's version, and which wish, by the moment it was asked at."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    asked_at: datetime | None = None


class MoveForm(PhaseForm):
    """`planned_at` is local time in the plan's zone, as a datetime-local field sends it; empty is a field left open."""

    planned_at: datetime | None = None


class SpeedForm(PageForm):
    speed: Annotated[int, Field(ge=0, le=10_000)] = 1


class JumpForm(PageForm):
    """`to` is the mark's moment in plan time, with its zone, as the page showed it."""

    to: datetime
