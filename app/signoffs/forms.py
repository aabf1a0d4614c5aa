"""What people send from the board."""

from typing import Literal

from pydantic import Field

from app.web.form import PageForm


class VoteForm(PageForm):
    """`shown` is the fingerprint of the binding that the page displayed. The comment's length is the domain's to
    judge, so that its sentence stands at the field."""

    question: str = Field(max_length=48)
    vote: Literal["go", "nogo"]
    comment: str = ""
    shown: str = Field(default="", max_length=64)


class WithdrawForm(PageForm):
    question: str = Field(max_length=48)
