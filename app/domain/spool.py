"""The spool of break-glass: what was done while nothing else could keep a log, line by line.

Each line is signed over itself and the signature before it, so that none can be changed, left out or put in later
without its showing. Cutting off the end cannot be seen from the rest: a run without its last line counts as broken off.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

What = Literal["begin", "intent", "applied", "refused", "unknown", "stale", "read", "probes", "check", "guard", "end"]
"""`intent` stands before a write, one of applied, refused, unknown or stale after it; `end` is the last line."""

WORDS: Final = frozenset(
    ("begin", "intent", "applied", "refused", "unknown", "stale", "read", "probes", "check", "guard", "end")
)


@dataclass(frozen=True, slots=True)
class Line:
    """`run` names one use of `gonogo rollback-now`; `seq` counts from 1 in it. `at` is that machine's own clock."""

    run: str
    seq: int
    at: datetime
    what: str
    text: str
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.run}:{self.seq}"


class SpoolDamaged(Exception):
    """A line of the spool does not fit to the one before it, or was not written by this installation."""


def written(line: Line, previous: str, key: bytes) -> tuple[str, str]:
    """The line as it stands in the file, without its end, and its signature: what the next one hangs on."""
    document = {
        "run": line.run,
        "seq": line.seq,
        "at": line.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "what": line.what,
        "text": line.text,
        "detail": dict(line.detail),
    }
    signature = _signature(document, previous, key)
    return json.dumps({**document, "signature": signature}, separators=(",", ":"), ensure_ascii=False), signature


def read(texts: Iterable[str], key: bytes) -> list[Line]:
    """The lines of one run. Raises SpoolDamaged, with the number of the first line that does not fit."""
    found: list[Line] = []
    previous = ""
    for number, text in enumerate(texts, 1):
        try:
            document = json.loads(text)
            signature = document.pop("signature")
            line = Line(
                str(document["run"]),
                int(document["seq"]),
                datetime.fromisoformat(document["at"]),
                str(document["what"]),
                str(document["text"]),
                dict(document["detail"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise SpoolDamaged(f"line {number} cannot be read: {problem}") from problem
        if not hmac.compare_digest(str(signature), _signature(document, previous, key)) or line.what not in WORDS:
            raise SpoolDamaged(f"line {number} was not written by this installation, or a line before it is missing")
        if line.seq != number or line.run != (found[0].run if found else line.run):
            raise SpoolDamaged(f"line {number} belongs elsewhere")
        previous = str(signature)
        found.append(line)
    return found


def _signature(document: Mapping[str, Any], previous: str, key: bytes) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key, f"{previous}\n{canonical}".encode(), hashlib.sha256).hexdigest()
