"""What people send to move traffic."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from app.web.form import PageForm, first_of


class MoveForm(PageForm):
    """`key` is shorter than elsewhere: the operation's key also names its kind and the person who pressed."""

    key: str = Field(default="", alias="_key", max_length=40)


class SwitchForm(MoveForm):
    """`confirm` is the ticked statement above the button; only its own value counts."""

    confirm: str = Field(default="", max_length=20)

    @property
    def is_confirmed(self) -> bool:
        return self.confirm == "yes"


class RollbackForm(MoveForm):
    """`although` is sent by a guard that named BLUE unhealthy on its button."""

    although: str = Field(default="", max_length=20)
    cause: Annotated[str, BeforeValidator(first_of(500))] = ""

    @property
    def names_unhealthy_blue(self) -> bool:
        return self.although == "yes"
