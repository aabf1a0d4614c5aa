"""What people send from a step."""

from typing import Annotated

from pydantic import Field

from app.web.form import PageForm


class StepForm(PageForm):
    """`text` is evidence, what happened, or a reason; its length is the command's to judge, so that its sentence stands
    at the field. `version` is the one the page showed."""

    text: str = ""
    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
