"""What people send to decide."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from app.web.form import PageForm

REASON = Annotated[str, StringConstraints(max_length=500)]


class AnswerForm(PageForm):
    """`rollback` is read so that it can be refused with the reason: it is pressed in the guard."""

    answer: Literal["continue", "watch", "escalate", "rollback"]
    reason: REASON = ""
