"""What differs between two plans, by meaning: not lines of text, but decisions, limits, people, minutes.

Pure. Whatever the hash of a plan depends on is told: no difference means the same plan, and the other way round.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.domain.plan import Phase, Plan
from app.domain.plan_parts import Node
from app.domain.plan_words import (
    KEPT,
    ORDINALS,
    RELEASES,
    SECTIONS,
    field_words,
    identities,
    label,
    summary,
    value_text,
)

Kind = Literal["changed", "added", "removed", "moved"]
Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `where` is a path in words below its section ("decision at minute 10, answer escalate: text");
    `before` is empty for what was added, `after` for what was removed. Of what was moved they are places in a list."""

    section: str
    where: str
    kind: Kind
    before: str = ""
    after: str = ""


def diff(before: Plan, after: Plan) -> tuple[Change, ...]:
    """All differences, grouped by section in the order of a plan; empty exactly if both are the same plan."""
    found: list[Change] = []
    for field in Plan.model_fields:
        old, new = getattr(before, field), getattr(after, field)
        if old == new:
            continue
        if field == "phases":
            found += _phases(old, new)
        else:
            place = (RELEASES,) if field == "releases" else ()
            section = SECTIONS.get(field) or (field_words(field) if isinstance(old, tuple) else SECTIONS["key"])
            found += _Walk(section).compare(place, field, old, new)
    return tuple(sorted(found, key=_rank(found)))


def _rank(changes: Sequence[Change]) -> Callable[[Change], int]:
    """Sections keep the order in which they are first met, and changes theirs within a section."""
    first = {change.section: place for place, change in reversed(list(enumerate(changes)))}
    return lambda change: first[change.section]


def _phases(old: Sequence[Phase], new: Sequence[Phase]) -> Iterator[Change]:
    pairs = _pairs(old, new)
    for before, after in pairs:
        known = after or before
        assert isinstance(known, Phase)
        walk = _Walk(f"Phase {known.number}: {known.title}")
        if before is None or after is None:
            yield walk.whole(("the whole phase",), before, after)
        else:
            yield from walk.fields((), before, after)
    for item, place, now in _moved(pairs, old, new):
        assert isinstance(item, Phase)
        yield Change(f"Phase {item.number}: {item.title}", "order of the phases", "moved", place, now)


@dataclass(frozen=True, slots=True)
class _Walk:
    section: str

    def fields(self, place: Place, before: Node, after: Node) -> Iterator[Change]:
        for field in type(before).model_fields:
            old, new = getattr(before, field), getattr(after, field)
            if old != new:
                yield from self.compare(place, field, old, new)

    def compare(self, place: Place, field: str, old: Any, new: Any) -> Iterator[Change]:
        """Two values of one field that are not equal."""
        if isinstance(old, tuple) and isinstance(new, tuple):
            is_nodes = any(isinstance(item, Node) for item in (*old, *new))
            yield from (self._nodes(place, field, old, new) if is_nodes else self._lines(place, field, old, new))
        elif isinstance(old, Node) and isinstance(new, Node):
            yield from self.fields((*place, field_words(field)), old, new)
        elif isinstance(old, Node) or isinstance(new, Node):
            yield self.whole((*place, field_words(field)), old, new)
        else:
            yield Change(
                self.section,
                _said(place, field_words(field)),
                "changed",
                value_text(field, old),
                value_text(field, new),
            )

    def whole(self, place: Place, before: Node | None, after: Node | None) -> Change:
        """Something with parts that is on one side only."""
        if after is not None:
            return Change(self.section, _said(place), "added", after=summary(after))
        assert before is not None
        return Change(self.section, _said(place), "removed", before=summary(before))

    def _nodes(self, place: Place, field: str, old: Sequence[Node], new: Sequence[Node]) -> Iterator[Change]:
        pairs = _pairs(old, new)
        for before, after in pairs:
            known = after or before
            assert known is not None
            named = (*place, label(known, field))
            if before is None or after is None:
                yield self.whole(named, before, after)
            else:
                yield from self.fields(named, before, after)
        for item, was, now in _moved(pairs, old, new):
            yield Change(self.section, _said((*place, label(item, field)), "place in the list"), "moved", was, now)

    def _lines(self, place: Place, field: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Change]:
        """Plain lists: lines that came, went, or stand elsewhere."""
        where = _said((*place, field_words(field)) if place or field not in SECTIONS else (KEPT,))
        matched = _matched(old, new, lambda item: item)
        for index, item in enumerate(old):
            if index not in matched:
                yield Change(self.section, where, "removed", before=value_text(field, item))
        taken = set(matched.values())
        for index, item in enumerate(new):
            if index not in taken:
                yield Change(self.section, where, "added", after=value_text(field, item))
        for index in _out_of_order(matched):
            said = f"{where}: “{value_text(field, old[index])}”"
            yield Change(self.section, said, "moved", _ordinal(index), _ordinal(matched[index]))


def _said(place: Place, leaf: str = "") -> str:
    above = ", ".join(place)
    return f"{above}: {leaf}" if above and leaf else above or leaf


def _pairs(old: Sequence[Node], new: Sequence[Node]) -> list[tuple[Node | None, Node | None]]:
    """Which entry became which: those that are equal, then by what makes an entry of that kind the same one. In the
    order of the new list, what was removed at its old place."""
    matched: dict[int, int] = {}
    for identity in (lambda node: node, *identities(old, new)):
        rest_old = [index for index in range(len(old)) if index not in matched]
        rest_new = sorted(set(range(len(new))) - set(matched.values()))
        found = _matched([old[i] for i in rest_old], [new[i] for i in rest_new], identity)
        matched |= {rest_old[one]: rest_new[other] for one, other in found.items()}
    back = {other: one for one, other in matched.items()}
    pairs: list[tuple[Node | None, Node | None]] = [
        (old[back[index]] if index in back else None, node) for index, node in enumerate(new)
    ]
    for index, node in enumerate(old):
        if index not in matched:
            pairs.insert(min(index, len(pairs)), (node, None))
    return pairs


def _matched(old: Sequence[Any], new: Sequence[Any], identity: Callable[[Any], Hashable]) -> dict[int, int]:
    """Old place → new place of what is the same; of several same ones the first goes with the first."""
    free: dict[Hashable, deque[int]] = {}
    for index, item in enumerate(new):
        free.setdefault(identity(item), deque()).append(index)
    matched: dict[int, int] = {}
    for index, item in enumerate(old):
        if places := free.get(identity(item)):
            matched[index] = places.popleft()
    return matched


def _moved(
    pairs: Sequence[tuple[Node | None, Node | None]], old: Sequence[Node], new: Sequence[Node]
) -> Iterator[tuple[Node, str, str]]:
    """Entries that others overtook, with their places before and after."""
    was = {id(node): index for index, node in enumerate(old)}
    now = {id(node): index for index, node in enumerate(new)}
    both = [(before, after) for before, after in pairs if before is not None and after is not None]
    matched = {was[id(before)]: now[id(after)] for before, after in both}
    for index in _out_of_order(matched):
        yield new[matched[index]], _ordinal(index), _ordinal(matched[index])


def _out_of_order(matched: dict[int, int]) -> list[int]:
    """Old places of the fewest entries whose move explains the new order: those outside a longest rising run."""
    order = sorted(matched)
    lowest: list[int] = []  # lowest[n]: the smallest new place with which a rising run of n + 1 can end
    ends: list[int] = []  # and the old place of that end
    before: dict[int, int | None] = {}
    for place in order:
        length = bisect_left(lowest, matched[place])
        before[place] = ends[length - 1] if length else None
        lowest[length : length + 1] = [matched[place]]
        ends[length : length + 1] = [place]
    kept: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        kept.add(last)
        last = before[last]
    return [place for place in order if place not in kept]


def _ordinal(index: int) -> str:
    return ORDINALS[index] if index < len(ORDINALS) else f"{index + 1}."
