"""The base of every form's model, and its errors in the words of the page."""

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field


class PageForm(BaseModel):
    """`key` is the idempotency key: the same until the page got an answer, so that a repeated send does nothing twice.
    The CSRF field is checked before the model is built and ignored here."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, populate_by_name=True)

    key: str = Field(default="", alias="_key", max_length=64)


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
