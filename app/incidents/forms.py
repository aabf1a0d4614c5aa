"""What people say of incidents and of customers' reports."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from app.web.form import PageForm

SAID = Annotated[str, StringConstraints(min_length=3, max_length=500)]


class RaiseForm(PageForm):
    title: Annotated[str, StringConstraints(min_length=3, max_length=200)]
    severity: Literal["warning", "critical"]

    @field_validator("title")
    @classmethod
    def _is_one_line(cls, value: str) -> str:
        """It is the headline of every page."""
        return " ".join(value.split())


class FindingForm(PageForm):
    finding: SAID


class DecideForm(PageForm):
    """`rollback` is read so that it can be refused with the reason: it is pressed in the guard."""

    outcome: Literal["no_action", "watch", "escalate", "rollback"]
    reason: SAID


class ReportForm(PageForm):
    text: SAID
    customers: Annotated[int, Field(ge=1, le=10_000_000)]
    link: Annotated[str, StringConstraints(max_length=500)] = ""
    severity: Literal["warning", "critical"]

    @field_validator("link")
    @classmethod
    def _is_a_web_address(cls, value: str) -> str:
        """Only what a browser can follow without running it."""
        if value and not value.startswith("https://"):
            raise ValueError("not a link with https://")
        return value


class SettleForm(PageForm):
    state: Literal["acknowledged", "explained", "fixed"]
    answer: Annotated[str, StringConstraints(max_length=500)] = ""
