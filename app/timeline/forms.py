"""What people write into the timeline."""

from typing import Annotated

from pydantic import StringConstraints

from app.web.form import PageForm

LONGEST = 2000


class Note(PageForm):
    text: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]
