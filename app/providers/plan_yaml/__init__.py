"""Plans from YAML: `load_plan` for text, `read_plan` for a file, `plan_schema` for editors.

Every problem of a text is reported at once, with line, column, path and remedy, as `PlanInvalid`. Hostile text
(YAML bombs, tags, duplicate keys, deep nesting) is refused within a second and 64 MiB.
"""

from pathlib import Path
from typing import Any

from app.domain.plan import Plan
from app.domain.plan_problems import PlanInvalid, Problem
from app.providers.plan_yaml.lenient import validate_nodes
from app.providers.plan_yaml.nodes import MAX_CHARACTERS, GivenUp, read_nodes

__all__ = ["MAX_BYTES", "MAX_CHARACTERS", "decode_plan", "load_plan", "plan_schema", "read_plan"]

MAX_PROBLEMS = 200
MAX_BYTES = 4 * MAX_CHARACTERS
"""No letter takes more than four bytes."""


def load_plan(text: str, source: str) -> Plan:
    """The plan in `text`. `source` names it in messages (a file name). Raises `PlanInvalid`."""
    try:
        root, refused = read_nodes(text)
    except GivenUp as ended:
        raise PlanInvalid(source, (ended.problem,)) from ended
    plan, found = validate_nodes(root)
    problems = sorted([*refused, *found], key=lambda problem: (problem.line, problem.column))
    if len(problems) > MAX_PROBLEMS:
        more = "There are more problems."
        last = problems[MAX_PROBLEMS]
        problems = [*problems[:MAX_PROBLEMS], Problem(last.line, last.column, "", more, "Mend these first.")]
    if problems or plan is None:
        raise PlanInvalid(source, tuple(problems))
    return plan


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises `PlanInvalid`, also where the file can't be read or is not UTF-8."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        problem = Problem(1, 1, "", f"The file can't be read: {error.strerror}.", "Check its name and rights.")
        raise PlanInvalid(str(path), (problem,)) from error
    return load_plan(decode_plan(raw, str(path)), str(path))


def decode_plan(raw: bytes, source: str) -> str:
    """The text of a file's bytes, of which more than MAX_BYTES need not be given. Raises `PlanInvalid` where they are
    not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= MAX_BYTES - 3:  # cut inside a letter: the length is what is wrong
            return raw[: error.start].decode("utf-8-sig")
        line = raw[: error.start].count(b"\n") + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        problem = Problem(line, column, "", "The file is not UTF-8 from here on.", "Save it as UTF-8.")
        raise PlanInvalid(source, (problem,)) from error


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of a plan, for editors that complete and check YAML."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Plan.model_json_schema()}
