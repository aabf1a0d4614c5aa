"""What is sent in as a plan: a file or pasted text."""

from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile

from app.providers.plan_yaml import MAX_BYTES, decode_plan

PASTED = "the pasted text"
LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class SentPlan:
    """`name` is what messages call it; `confirmed` the hash of what was looked at before, empty at first."""

    name: str
    text: str
    confirmed: str = ""


async def read_sent(request: Request) -> SentPlan:
    """The file, where one was chosen, else the text. Raises PlanInvalid for a file that is not UTF-8."""
    async with request.form() as form:
        file, text, confirmed = form.get("file"), form.get("text"), form.get("hash")
        said = confirmed if isinstance(confirmed, str) else ""
        if isinstance(file, UploadFile) and file.filename:
            name = "".join(letter for letter in file.filename if letter.isprintable())[:LONGEST_NAME]
            return SentPlan(name, decode_plan(await file.read(MAX_BYTES + 1), name), said)
        pasted = text if isinstance(text, str) else ""
        # Forms send their lines as CRLF; the author wrote them as the file has them.
        return SentPlan(PASTED, pasted.replace("\r\n", "\n"), said)
