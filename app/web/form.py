"""The base of every form's model, and its errors in the words of the page."""

from collections.abc import Callable
from typing import Any, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

_CONTROL: dict[int, str | None] = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
# What turns the direction of the text after it would let a sentence show as another than the log keeps; half a
# character cannot be kept. The marks U+200E and U+200F stay: they turn nothing but themselves.
_CONTROL |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)))
_CONTROL |= dict.fromkeys((0x2028, 0x2029), "\n")
Form = TypeVar("Form", bound="PageForm")


class PageForm(BaseModel):
    """`key` is the idempotency key: the same until the page got an answer, so that a repeated send does nothing twice.
    The CSRF field is checked before the model is built and ignored here."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, populate_by_name=True)

    key: str = Field(default="", alias="_key", max_length=64)

    @field_validator("*", mode="before")
    @classmethod
    def _without_control_characters(cls, value: Any) -> Any:
        """PostgreSQL keeps no NUL, and no page should draw the others; line ends become one character."""
        return plain_text(value) if isinstance(value, str) else value


def plain_text(text: str) -> str:
    """Without what is no text: control characters, turned directions, halves of characters."""
    return text.replace("\r\n", "\n").translate(_CONTROL)


def first_of(limit: int) -> Callable[[Any], Any]:
    """A validator for words beside something that must not be refused because of them: what fits of them is kept."""
    return lambda value: plain_text(value).strip()[:limit] if isinstance(value, str) else value


async def read_form(request: Request, model: type[Form]) -> Form | dict[str, str]:
    """The form as its model or, for the page to show beside the fields, one sentence for each that does not fit."""
    sent = await request.form()
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    values = {name: sent.getlist(name) if name in lists else sent[name] for name in sent}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        return {str(item["loc"][0]): _sentence(item["type"], dict(item.get("ctx", {}))) for item in error.errors()}


def field_errors(error: RequestValidationError) -> dict[str, str]:
    """One sentence a field, for the page to show beside it."""
    return {str(item["loc"][-1]): _sentence(item["type"], dict(item.get("ctx", {}))) for item in error.errors()}


def _sentence(kind: str, context: dict[str, object]) -> str:
    match kind:
        case "missing":
            return "This field is missing."
        case "string_too_long":
            return f"This is longer than {context.get('max_length')} characters."
        case "string_too_short":
            return "This field is empty."
        case "literal_error" | "enum":
            return f"Choose one of {context.get('expected')}."
        case _:
            return "This value cannot be read here."
