"""What people send to triggers."""

from typing import Annotated

from pydantic import StringConstraints

from app.web.form import PageForm


class HoldForm(PageForm):
    """The trigger stands in the address; there is nothing to fill in."""


class RaiseForm(PageForm):
    trigger: Annotated[str, StringConstraints(min_length=1, max_length=48)]
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]
