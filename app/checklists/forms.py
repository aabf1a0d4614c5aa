"""What people send from a checklist."""

from typing import Annotated, Literal

from pydantic import Field

from app.web.form import PageForm


class TickForm(PageForm):
    """One press on a line of one's own: `done` or `undo` names it ("readiness.phone", "devops_lead.during-2")."""

    done: Annotated[str, Field(max_length=120)] = ""
    undo: Annotated[str, Field(max_length=120)] = ""


class ItemForm(PageForm):
    """`text` is the evidence of a confirmed item, else the reason. `version` is the one the page showed. The text's
    length is the command's to judge, so that its sentence stands at the field."""

    state: Literal["done", "open", "failed"]
    text: str = ""
    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    shown: Annotated[str, Field(max_length=4000)] = ""
    """Of "all are present": the keys of the seats that the page showed as missing, with spaces between them."""
