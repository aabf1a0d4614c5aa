"""The spool's chain: a line that was changed, left out or put in shows, whoever did it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.spool import Line, SpoolDamaged, read, written

KEY = b"k" * 32
AT = datetime(2026, 3, 6, 19, 31, tzinfo=UTC)


def spool(count: int, key: bytes = KEY) -> list[str]:
    texts, previous = [], ""
    for seq in range(1, count + 1):
        what = "begin" if seq == 1 else "check"
        line = Line("run-1", seq, AT + timedelta(seconds=seq), what, f"line {seq} “ä”", {"n": seq, "yes": None})
        text, previous = written(line, previous, key)
        texts.append(text)
    return texts


def test_what_was_written_is_read() -> None:
    lines = read(spool(5), KEY)
    assert [line.seq for line in lines] == [1, 2, 3, 4, 5]
    assert lines[4] == Line("run-1", 5, AT + timedelta(seconds=5), "check", "line 5 “ä”", {"n": 5, "yes": None})
    assert lines[4].id == "run-1:5"
    assert read([], KEY) == []


def test_another_installations_spool_is_refused() -> None:
    with pytest.raises(SpoolDamaged, match="line 1 was not written by this installation"):
        read(spool(3, b"another" * 5), KEY)


@given(st.integers(2, 5), st.sampled_from(["drop", "twice", "swap", "edit"]))
def test_tampering_is_found_at_its_line(number: int, how: str) -> None:
    texts = spool(6)
    match how:
        case "drop":
            del texts[number - 1]
        case "twice":
            texts.insert(number - 1, texts[number - 1])
            number += 1
        case "swap":
            texts[number - 1], texts[number] = texts[number], texts[number - 1]
        case "edit":
            texts[number - 1] = texts[number - 1].replace("line ", "lime ")
    with pytest.raises(SpoolDamaged, match=f"line {number} "):
        read(texts, KEY)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"signature": 1}', "not json"])
def test_nonsense_is_named_and_not_a_crash(text: str) -> None:
    with pytest.raises(SpoolDamaged, match="line 1 "):
        read([text], KEY)
