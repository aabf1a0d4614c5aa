"""What people send from a canary's page."""

from typing import Annotated

from pydantic import Field

from app.web.form import PageForm


class CanaryForm(PageForm):
    """`version` is the one the page showed; `text` a comment or a reason."""

    text: Annotated[str, Field(max_length=1000)] = ""
    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class StartForm(CanaryForm):
    """`run` is the newest run that the page showed, 0 for none: of two people who start one, one does."""

    run: Annotated[int, Field(ge=0, le=2**62)] = 0
