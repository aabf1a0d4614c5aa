"""Work that runs, as pages show it: a bar on the real clock, what is expected, and by how much it is late."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.estimates import Estimate, Watch, lateness, progress
from app.web.figures import about


@dataclass(frozen=True, slots=True)
class ProgressView:
    """`words` say what is expected ("Usually 40 s (3 runs), planned 30 min"), `late` by how much it is beyond that,
    empty while it is not. The bar runs from `started_at` to `ends_at` (real time) and never to its own end; both are
    None where nothing runs, or nobody knows how long it takes."""

    words: str
    started_at: datetime | None = None
    ends_at: datetime | None = None
    late: str = ""

    @property
    def has_bar(self) -> bool:
        return self.started_at is not None and self.ends_at is not None


def expected_words(expected: Estimate) -> str:
    """What is expected and whose word that is; empty where nobody says anything."""
    parts: list[str] = []
    if expected.usual_s is not None:
        runs = "1 run" if expected.runs == 1 else f"{expected.runs} runs"
        parts.append(f"usually {about(expected.usual_s)} ({runs})")
    if expected.planned_s is not None:
        parts.append(f"planned {about(expected.planned_s)}")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def running_view(expected: Estimate, by_plan: Watch, by_experience: Watch, now: datetime) -> ProgressView:
    """Of work that runs `now` (real time)."""
    found = progress(expected, by_plan, by_experience)
    late = lateness(expected, by_plan, by_experience)
    return ProgressView(
        expected_words(expected) or NOBODY_KNOWS,
        now - timedelta(seconds=found.began_s) if found else None,
        now + timedelta(seconds=found.ends_in_s) if found else None,
        f"{about(late.seconds)} longer than {late.than}" if late else "",
    )


NOBODY_KNOWS = "Neither the plan nor an earlier run says how long it takes"
NOTHING_EXPECTED = ProgressView(NOBODY_KNOWS)
