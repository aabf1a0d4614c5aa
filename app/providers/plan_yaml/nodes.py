"""YAML text → a tree of nodes that know their place, refusing what a plan has no use for.

The bounds hold for hostile text: it is read event by event and given up at the first bound it passes.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from app.domain.plan_problems import Path, Problem, path_text

MAX_CHARACTERS = 256 * 1024
"""The parser needs up to 1.4 µs a character: a quarter of a MiB keeps the worst text within a second."""
MAX_EVENTS = 16_000
MAX_DEPTH = 20

NULL = re.compile(r"~|null|Null|NULL|")
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
NUMBER = re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,3})?")

UNPLAIN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What an escape in quotes can bring in, and no page draws as it is: control characters, turned directions (a question
or a command would show another than it is), halves of characters. PostgreSQL keeps no NUL."""

ScalarValue = str | int | float | bool | None


@dataclass(slots=True)
class Scalar:
    value: ScalarValue
    line: int
    column: int
    path: Path


@dataclass(slots=True)
class Sequence:
    line: int
    column: int
    path: Path
    items: list["Node"] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """A key of a mapping, with the place of the key, and its value."""

    line: int
    column: int
    value: "Node"


@dataclass(slots=True)
class Mapping:
    line: int
    column: int
    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(slots=True)
class Broken:
    """A value that was refused; its problem has been told."""

    line: int
    column: int
    path: Path


Node = Scalar | Sequence | Mapping | Broken


def walk(node: Node) -> Iterator[Node]:
    """The node and all under it."""
    yield node
    if isinstance(node, Mapping):
        for entry in node.entries.values():
            yield from walk(entry.value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from walk(item)


class GivenUp(Exception):
    """The text can't be read any further."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_nodes(text: str) -> tuple[Node, list[Problem]]:
    """The tree of the one document in `text` and what was refused in it. Raises `GivenUp`."""
    if len(text) > MAX_CHARACTERS:
        line, column = _place(text, MAX_CHARACTERS)
        message = f"The plan has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}."
        raise GivenUp(Problem(line, column, "", message, "Shorten it: a plan names things, documents explain them."))
    reader = _Reader(text)
    return reader.document(), reader.problems


class _Reader:
    def __init__(self, text: str) -> None:
        self.problems: list[Problem] = []
        self._events = self._bounded(text)

    def document(self) -> Node:
        event = self._next()
        if isinstance(event, StreamStartEvent):
            event = self._next()
        if not isinstance(event, DocumentStartEvent):
            raise GivenUp(Problem(1, 1, "", "The plan is empty.", "Start from plans/alawael.yaml."))
        root = self._node(self._next(), ())
        while not isinstance(event, DocumentEndEvent):
            event = self._next()
        event = self._next()
        if isinstance(event, DocumentStartEvent):
            self._refuse(event, (), "A second document starts here.", "Keep one plan in a file; remove the line `---`.")
        return root

    def _bounded(self, text: str) -> Iterator[Event]:
        try:
            for number, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
                if number >= MAX_EVENTS:
                    message = f"The plan has more than {MAX_EVENTS:,} entries."
                    raise GivenUp(self._problem(event, (), message, "Shorten it."))
                yield event
        except MarkedYAMLError as error:
            raise GivenUp(_syntax_problem(error)) from error
        except ReaderError as error:
            line, column = _place(text, error.position)
            message = f"The character U+{ord(text[error.position]):04X} may not stand in YAML."
            raise GivenUp(Problem(line, column, "", message, "Remove it.")) from error
        except (YAMLError, ValueError, IndexError, AttributeError, AssertionError, RecursionError) as error:
            # The parser's own slips on broken text; it says nothing about the place.
            problem = Problem(1, 1, "", f"The text is not YAML: {error}.", "Check it with a YAML editor.")
            raise GivenUp(problem) from error

    def _next(self) -> Event:
        return next(self._events)

    def _node(self, event: Event, path: Path) -> Node:
        line, column = _start(event)
        if len(path) > MAX_DEPTH:
            message = f"Values are nested more than {MAX_DEPTH} deep."
            raise GivenUp(self._problem(event, path[:4], message, "A plan is at most 8 deep; check the brackets."))
        if isinstance(event, AliasEvent):
            self._refuse(event, path, f"`*{event.anchor}` is an alias.", "Write the value out: plans have no aliases.")
            return Broken(line, column, path)
        if isinstance(event, ScalarEvent | CollectionStartEvent):
            self._refuse_decoration(event, path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(Sequence(line, column, path))
        if isinstance(event, MappingStartEvent):
            return self._mapping(Mapping(line, column, path))
        return self._scalar(event, path)

    def _refuse_decoration(self, event: ScalarEvent | CollectionStartEvent, path: Path) -> None:
        if event.anchor:
            self._refuse(event, path, f"`&{event.anchor}` is an anchor.", "Remove it: plans have no aliases.")
        if event.tag:
            self._refuse(event, path, f"`{event.tag}` is a tag.", "Remove it: a plan holds text, numbers and lists.")

    def _sequence(self, sequence: Sequence) -> Sequence:
        while not isinstance(event := self._next(), SequenceEndEvent):
            sequence.items.append(self._node(event, (*sequence.path, len(sequence.items))))
        return sequence

    def _mapping(self, mapping: Mapping) -> Mapping:
        first_lines: dict[str, int] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            line, column = _start(event)
            key = self._node(event, (*mapping.path, "?"))
            name = key.value if isinstance(key, Scalar) else None
            if not isinstance(name, str):
                self._refuse(event, mapping.path, "A key here is not text.", "Use a name, or put the key in quotes.")
                self._node(self._next(), (*mapping.path, "?"))
                continue
            name = name[:60]  # longer than any field's name; messages stay short
            value = self._node(self._next(), (*mapping.path, name))
            if isinstance(value, Scalar) and value.value is None:
                value.line, value.column = line, column  # the parser puts an empty value where the next token is
            if name in first_lines:
                message = f"`{name}` stands here a second time; the first is on line {first_lines[name]}."
                self._refuse(event, (*mapping.path, name), message, "Remove one of the two.")
                continue
            first_lines[name] = line
            mapping.entries[name] = Entry(line, column, value)
        return mapping

    def _scalar(self, event: Event, path: Path) -> Node:
        line, column = _start(event)
        if not isinstance(event, ScalarEvent):
            raise GivenUp(Problem(line, column, path_text(path), "A value is missing here.", "Write it."))
        text: str = event.value
        if (unplain := UNPLAIN.search(text)) is not None:
            message = f"The character U+{ord(unplain[0]):04X} may not stand in a plan."
            self._refuse(event, path, message, "Remove it: it would not show as what it is.")
            return Broken(line, column, path)
        value = _plain_value(text) if event.style in (None, "") else text
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse(event, path, f"{text} is too large a number.", "Write a smaller one.")
            return Broken(line, column, path)
        return Scalar(value, line, column, path)

    def _refuse(self, event: Event, path: Path, message: str, remedy: str) -> None:
        self.problems.append(self._problem(event, path, message, remedy))

    @staticmethod
    def _problem(event: Event, path: Path, message: str, remedy: str) -> Problem:
        line, column = _start(event)
        return Problem(line, column, path_text(path), message, remedy)


def _plain_value(text: str) -> ScalarValue:
    """What an unquoted scalar means (YAML 1.2 core: `no`, `14:00` and 2026-02-27 are text)."""
    if NULL.fullmatch(text):
        return None
    if BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    if INTEGER.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text):
        return float(text)
    return text


def _start(event: Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _place(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `index`."""
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _syntax_problem(error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    what = str(error.problem or error.context or "it can't be read").strip()
    if "'\\t'" in what:
        return Problem(line, column, "", "A tab stands where spaces are needed.", "Indent with spaces.")
    started = f" (in what starts on line {error.context_mark.line + 1})" if error.context_mark else ""
    return Problem(line, column, "", f"The YAML breaks off here: {what}{started}.", _syntax_remedy(what))


def _syntax_remedy(what: str) -> str:
    if "mapping values are not allowed" in what:
        return "Put text that holds `: ` in quotes, and check the indentation."
    if "block end" in what or "block mapping" in what:
        return "Check that this line is indented like its neighbours."
    if "end of stream" in what or "quoted scalar" in what:
        return "Close the quote or bracket."
    return "Check quotes, colons and the indentation just before this place."
