"""What people send from a script's panel."""

from typing import Annotated

from pydantic import Field

from app.web.form import PageForm


class ScriptForm(PageForm):
    """`version` is the step's that the page showed."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
