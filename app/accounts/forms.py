"""What the account pages send."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.accounts.passwords import LONGEST
from app.web.form import PageForm

Scope = Literal["read", "readings", "rollback"]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST, strip_whitespace=False)]
"""A password as it was typed: spaces at its ends belong to it."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]
Phone = Annotated[str, StringConstraints(max_length=40, pattern=r"^[0-9+()./ -]*$")]
Login = Annotated[str, StringConstraints(min_length=2, max_length=120, pattern=r"^[^\s/\\<>]+$")]


class SignIn(PageForm):
    login: Name
    password: Secret
    next: str = "/"


class ChoosePerson(PageForm):
    person: int = Field(gt=0, le=2**62)
    next: str = "/"


class StepUp(PageForm):
    """In the range the password stays empty: there is none."""

    password: Annotated[str, StringConstraints(max_length=LONGEST, strip_whitespace=False)] = ""
    next: str = "/"


class NewPassword(PageForm):
    login: Name
    password: Secret
    chosen: Secret
    again: Secret


class NewPerson(PageForm):
    name: Name
    login: Login
    phone: Phone = ""
    is_admin: bool = False


class PhoneForm(PageForm):
    phone: Phone = ""


class NewToken(PageForm):
    """`deployment` 0 is every deployment of the installation."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1)]
    deployment: int = Field(default=0, ge=0, le=2**62)
    days: int = Field(default=30, ge=1, le=90)
