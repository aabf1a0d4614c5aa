"""What can be wrong with a plan, told so that its author can mend it."""

from dataclasses import dataclass
from typing import Literal

Path = tuple[str | int, ...]
Collection = Literal["positions", "targets", "metrics", "checklists", "phases", "triggers"]


def path_text(path: Path) -> str:
    """`("phases", 2, "title")` as people write it: `phases[2].title`; the plan itself is the empty text."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a plan whose fields are all well formed.

    Where it is wrong that something is not there, `absent` is the place it should stand, and `sought` the key
    looked for in it: a reader that had to leave out something broken there drops what would only be its echo.
    """

    path: Path
    message: str
    remedy: str
    absent: Path | None = None
    sought: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding with its place in the text; `line` and `column` count from 1."""

    line: int
    column: int
    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}" + (f", {self.path}" if self.path else "")
        return f"{where}: {self.message} {self.remedy}".rstrip()


class PlanInvalid(Exception):
    """A plan that can't be used. `problems` holds everything that is wrong with it, in the order of the text."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{source}: {count}.", *(f"  {problem}" for problem in problems)]))
        self.source = source
        self.problems = problems
