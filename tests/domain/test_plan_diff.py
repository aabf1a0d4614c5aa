"""What differs between two plans: nothing between equal ones, and no leaf of a plan can change untold."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.plan import Plan
from app.domain.plan_diff import Change, diff
from app.domain.plan_words import ORDINALS
from tests.known_plans import ALAWAEL, HARBOUR

DOCUMENT = ALAWAEL.model_dump()


def leaves(part: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(part, dict):
        return [leaf for key, value in part.items() for leaf in leaves(value, (*path, key))]
    if isinstance(part, list | tuple):
        return [leaf for index, value in enumerate(part) for leaf in leaves(value, (*path, index))]
    return [(path, part)]


LEAVES = [
    (path, value)
    for path, value in leaves(DOCUMENT)
    if path[0] != "schema_version" and isinstance(value, str | int | float) and not isinstance(value, bool)
]


def with_leaf(path: tuple[str | int, ...], value: Any) -> Plan | None:
    """The plan with another value there; None where only other words are allowed."""
    document = listed(DOCUMENT)
    part = document
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    try:
        return Plan.model_validate(document)
    except ValueError:
        return None


def listed(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: listed(value) for key, value in part.items()}
    return [listed(value) for value in part] if isinstance(part, list | tuple) else part


def test_equal_plans_do_not_differ() -> None:
    assert diff(ALAWAEL, Plan.model_validate(DOCUMENT)) == ()
    assert diff(HARBOUR, HARBOUR) == ()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(LEAVES), st.integers(2, 900))
def test_no_leaf_changes_untold(leaf: tuple[tuple[str | int, ...], Any], number: int) -> None:
    path, value = leaf
    other = f"{value}x{number}" if isinstance(value, str) else value + number
    after = with_leaf(path, other)
    if after is None or after == ALAWAEL:
        return
    changes = diff(ALAWAEL, after)
    assert changes
    shown = str(int(other) if isinstance(other, float) and other.is_integer() else other)
    assert any(shown in change.after or shown in change.section for change in changes), changes
    assert all(change.before != change.after for change in changes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_lists_that_were_shuffled_or_cut_are_told_and_the_way_back_mirrors(data: st.DataObject) -> None:
    names = ["positions", "metrics", "triggers", "phases", "channels", "avoid"]
    name = data.draw(st.sampled_from(names))
    entries = listed(DOCUMENT[name])
    order = data.draw(st.permutations(range(len(entries))))
    kept = order[: data.draw(st.integers(1, len(order)))]
    after = Plan.model_validate({**listed(DOCUMENT), name: [entries[index] for index in kept]})
    there, back = diff(ALAWAEL, after), diff(after, ALAWAEL)
    assert (there == ()) == (after == ALAWAEL)
    counts = [sum(change.kind == kind for change in there) for kind in ("added", "removed", "moved")]
    assert counts[0] == 0
    assert counts[1] == len(entries) - len(kept)
    assert [sum(change.kind == kind for change in back) for kind in ("removed", "added", "moved")] == counts


def test_a_change_is_told_in_words() -> None:
    document = listed(DOCUMENT)
    phase = next(phase for phase in document["phases"] if phase["key"] == "production")
    answer = next(a for a in phase["decisions"][1]["answers"] if a["answer"] == "escalate")
    answer["text"] = "Escalate at once"
    assert diff(ALAWAEL, Plan.model_validate(document)) == (
        Change(
            "Phase 4: Production deployment",
            "decision at minute 10, answer escalate: text",
            "changed",
            "Escalate immediately",
            "Escalate at once",
        ),
    )


def test_a_moved_entry_is_moved_and_not_removed_and_added() -> None:
    metrics = listed(DOCUMENT["metrics"])
    after = Plan.model_validate({**listed(DOCUMENT), "metrics": [*metrics[1:], metrics[0]]})
    (change,) = diff(ALAWAEL, after)
    assert (change.kind, change.before) == ("moved", "first")
    assert change.after == ORDINALS[len(metrics) - 1]
    assert change.where == f"{ALAWAEL.metrics[0].title}: place in the list"


def test_a_mark_that_comes_later_is_the_same_mark() -> None:
    document = listed(DOCUMENT)
    phase = next(phase for phase in document["phases"] if phase["key"] == "production")
    phase["timeline"][1]["at_s"] = 130
    (change,) = diff(ALAWAEL, Plan.model_validate(document))
    assert (change.where, change.before, change.after) == (
        "timeline “BLUE (old) still serves 100 %”: time",
        "120 s",
        "130 s",
    )


def test_two_teams_plans_differ_section_by_section() -> None:
    sections = [change.section for change in diff(ALAWAEL, HARBOUR)]
    assert len(set(sections)) > 8
    met: list[str] = []
    for section in sections:
        if not met or met[-1] != section:
            assert section not in met, f"{section} is torn apart"
            met.append(section)
