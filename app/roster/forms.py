"""What the roster page sends."""

from typing import Annotated

from pydantic import Field, StringConstraints

from app.web.form import PageForm

Key = Annotated[str, StringConstraints(min_length=1, max_length=48)]
Id = Annotated[int, Field(ge=0, le=2**62)]


class SeatForm(PageForm):
    """`seat` counts within the position, 0 is one more deputy; `shown` is whom the page showed there, 0 nobody."""

    position: Key
    seat: Annotated[int, Field(ge=0, le=100)]
    shown: Id = 0


class OfferForm(PageForm):
    """To whom the hand on the rollback is offered."""

    person: Id = 0


class TakeForm(SeatForm):
    """`person` 0: nobody was chosen."""

    person: Id = 0
