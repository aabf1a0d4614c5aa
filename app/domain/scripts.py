"""A script of the plan: which file of its command is the script, how a run goes from state to state, and whether what
it printed says that it succeeded. Nothing here runs anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from app.domain.plan import Action
from app.domain.signoff_words import listed


class State(StrEnum):
    """How far a run is."""

    WAITING = "waiting"
    """Asked for; no worker has it."""
    RUNNING = "running"
    """A worker has it, or had it: a script may have begun."""
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"
    LOST = "lost"
    """Its worker is gone. Whether the script came to its end is not known."""


ENDED = (State.DONE, State.FAILED, State.ABORTED, State.LOST)

WORDS = {
    State.WAITING: "waits for a worker",
    State.RUNNING: "runs",
    State.DONE: "succeeded",
    State.FAILED: "failed",
    State.ABORTED: "was aborted",
    State.LOST: "was lost",
}

INTERPRETERS = ("bash", "sh", "python3", "node", "ruby", "perl", "pwsh")
"""Programs that may stand before the script's file. Anything else is a file of the scripts' folder itself."""

LAST_LINES = 8
LINE_SHOWN = 160
LOST_WORDS = (
    "The worker that ran it is gone, or stands still. Whether the script came to its end is not known. "
    "Look at its output and at what it changes, then decide."
)


@dataclass(frozen=True, slots=True)
class Signal:
    """A line of the plan that is looked for in the output; `seen` is where it stood (line, its text), None if not."""

    kind: Literal["success", "failure"]
    text: str
    seen: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    state: State
    reason: str


def script_in(command: Sequence[str]) -> int | None:
    """Which argument is the script's file: the command itself, or what follows an interpreter. None for a command that
    is none: an option in its place would make `bash -c` of it."""
    if not command:
        return None
    if command[0] not in INTERPRETERS:
        return 0
    return 1 if len(command) > 1 and not command[1].startswith("-") else None


def signals_of(action: Action) -> tuple[tuple[str, ...], int]:
    """All signals of an action, success first, and the number of the first one that says that it failed."""
    return (*action.success_signals, *action.failure_signals), len(action.success_signals)


def signals_seen(action: Action, seen: Mapping[int, tuple[int, str]]) -> tuple[Signal, ...]:
    texts, fatal_from = signals_of(action)
    return tuple(
        Signal("failure" if number >= fatal_from else "success", text, seen.get(number))
        for number, text in enumerate(texts)
    )


def judge(
    signals: Sequence[Signal], *, how: str, code: int | None, problem: str, survivors: int, within_s: float
) -> Verdict:
    """What a run that is over was. Success takes exit code 0 and every success signal, and no failure signal."""
    left = f" {survivors} of its processes could not be ended." if survivors else ""
    for signal in signals:
        if signal.kind == "failure" and signal.seen is not None:
            line, text = signal.seen
            return Verdict(State.FAILED, f"Its output says “{signal.text}” in line {line}: {text}{left}")
    if how == "not started":
        return Verdict(State.FAILED, f"It could not be started: {problem}")
    if how == "late":
        return Verdict(State.FAILED, f"It ran longer than {within_s:g} s and was ended.{left}")
    if how != "ended" or code is None:
        return Verdict(State.LOST, LOST_WORDS)
    if code != 0:
        said = f"It ended with exit code {code}." if code > 0 else f"It was ended by signal {-code}."
        return Verdict(State.FAILED, said + left)
    missing = [f"“{signal.text}”" for signal in signals if signal.kind == "success" and signal.seen is None]
    if missing:
        return Verdict(State.FAILED, f"It ended with exit code 0, but did not say {listed(missing)}.{left}")
    if survivors:
        return Verdict(State.FAILED, f"It ended with exit code 0, but{left.lower()}")
    count = sum(signal.kind == "success" for signal in signals)
    said = {0: "", 1: ", its success signal seen"}.get(count, f", all {count} success signals seen")
    return Verdict(State.DONE, f"Exit code 0{said}")


def documented(reason: str, last: Sequence[str], limit: int) -> str:
    """A failure as the step keeps it: why, and the last lines of the output, in at most `limit` characters."""
    lines = [line[:LINE_SHOWN] for line in last if line.strip()][-LAST_LINES:]
    text = reason[: limit // 2]
    if lines:
        text += "\nLast lines:\n" + "\n".join(lines)
    return text[:limit]
