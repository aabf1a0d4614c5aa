"""What people send about a freeze and about patches."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.web.form import PageForm

Said = Annotated[str, StringConstraints(min_length=3, max_length=500)]


class FreezeForm(PageForm):
    reason: Said
    minutes: Annotated[int, Field(ge=1, le=100_000)]
    """How long it lasts."""


class PatchForm(PageForm):
    text: Annotated[str, StringConstraints(min_length=3, max_length=2000)]


class AnswerForm(PageForm):
    verdict: Literal["approved", "refused"]
    comment: Said
