"""The hash names a plan: the same for the same plan however it is written, another for every other plan."""

import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.plan import Plan, plan_hash
from app.providers.plan_yaml import load_plan
from tests.known_plans import ALAWAEL

ROOT = Path(__file__).parents[2]
MINIMAL = load_plan((ROOT / "tests" / "plans" / "minimal.yaml").read_text(), "minimal.yaml")


def shuffled(value: Any, order: random.Random) -> Any:
    """The same value with the keys of all mappings in another order."""
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all texts."""
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path] if isinstance(value, str) else []


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([ALAWAEL, MINIMAL]), st.booleans())
def test_stable_under_key_order_and_written_defaults(order: random.Random, plan: Plan, defaults: bool) -> None:
    written = shuffled(plan.model_dump(mode="json", exclude_defaults=not defaults), order)
    assert plan_hash(Plan.model_validate(written)) == plan_hash(plan)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.text(min_size=1, max_size=20).filter(lambda text: text.strip() == text))
def test_any_changed_title_changes_it(data: st.DataObject, text: str) -> None:
    values = MINIMAL.model_dump(mode="json")
    titles = [path for path in leaves(values) if path[-1] in ("title", "question", "mission")]
    *above, last = data.draw(st.sampled_from(titles))
    holder = values
    for part in above:
        holder = holder[part]
    before, holder[last] = holder[last], text
    assert (plan_hash(Plan.model_validate(values)) == plan_hash(MINIMAL)) == (text == before)


def test_order_of_lists_matters() -> None:
    values = MINIMAL.model_dump(mode="json")
    values["positions"].reverse()
    assert plan_hash(Plan.model_validate(values)) != plan_hash(MINIMAL)


def test_it_is_64_hex_digits() -> None:
    assert len(plan_hash(ALAWAEL)) == 64
    assert int(plan_hash(ALAWAEL), 16) > 0
