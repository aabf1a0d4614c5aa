"""The port's scripts against the range's stand-in for a slot book: they do what they say."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.config import ROOT
from app.domain.plan import Action
from app.domain.scripts import State
from app.domain.sides import Side
from app.providers.plan_yaml import read_plan
from app.rehearsal.site_file import SLOTBOOK_VARIABLE
from app.rehearsal.slotbook import FEWEST, MOST, SlotBook, booked_week, read_rows, slotbook_routes, text_of
from tests.rehearsal.stand_in import run_script, served

TOKEN = "the-token-of-the-book"
PLAN = read_plan(ROOT / "plans" / "harbour.yaml")
STEPS = {action.key: action for phase in PLAN.phases for action in phase.actions}


@dataclass
class Port:
    book: SlotBook
    folder: Path
    refuses: bool = False


@pytest.fixture
async def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    found = Port(SlotBook(tmp_path), tmp_path)
    routes = slotbook_routes(found.book, TOKEN, lambda: found.refuses)
    async with served(routes) as number:
        monkeypatch.setenv(SLOTBOOK_VARIABLE, f"127.0.0.1:{number}")
        (tmp_path / "token").write_text(TOKEN)
        yield found


async def play(port: Port, action: Action) -> tuple[State, str, str]:
    return await run_script(action, SLOTBOOK_VARIABLE, port.folder / "token")


async def test_the_tables_are_copied_and_compared_and_may_be_copied_again(port: Port) -> None:
    state, _, text = await play(port, STEPS["early_compare"])
    assert state is State.FAILED, "GREEN has no bookings yet"
    assert "2026-10-25 differs" in text
    total = sum(len(rows) for rows in booked_week().values())
    for _ in range(2):
        state, reason, text = await play(port, STEPS["copy_tables"])
        assert (state, reason) == (State.DONE, "Exit code 0, its success signal seen"), text
        assert text.splitlines()[-1] == f"Both tables count the same slots: {total}"
    assert port.book.of(Side.GREEN) == port.book.of(Side.BLUE)
    state, _, text = await play(port, STEPS["early_compare"])
    assert state is State.DONE, text
    assert text.splitlines()[-1] == "7 days compared, 0 differ"


async def test_a_slot_that_was_lost_is_found(port: Port) -> None:
    await play(port, STEPS["copy_tables"])
    day = dict(port.book.of(Side.GREEN)["2026-10-27"])
    day.popitem()
    port.book.put(Side.GREEN, "2026-10-27", day)
    state, reason, text = await play(port, STEPS["early_compare"])
    assert state is State.FAILED
    assert "2026-10-27 differs" in reason + text


async def test_a_locked_book_stops_the_copy_at_once(port: Port) -> None:
    port.refuses = True
    state, reason, _ = await play(port, STEPS["copy_tables"])
    assert state is State.FAILED
    assert reason.startswith("Its output says “ABORT: the slot book” in line 2: ABORT: the slot book is locked")
    assert port.book.of(Side.GREEN) == {}


async def test_a_wrong_token_is_told_and_never_shown(port: Port) -> None:
    (port.folder / "token").write_text("another-token")
    state, reason, text = await play(port, STEPS["early_compare"])
    assert state is State.FAILED
    assert "401" in reason + text
    assert "another-token" not in reason + text


def test_the_week_is_the_same_at_every_start_and_the_book_outlives_a_restart(tmp_path: Path) -> None:
    week = booked_week()
    assert week == booked_week()
    assert len(week) == 7
    assert all(FEWEST <= len(rows) <= MOST for rows in week.values())
    SlotBook(tmp_path).put(Side.GREEN, "2026-10-25", {"0615-K3": "Veldkamp"})
    assert SlotBook(tmp_path).of(Side.GREEN) == {"2026-10-25": {"0615-K3": "Veldkamp"}}


def test_rows_are_read_back_as_they_were_told_and_nonsense_is_not_taken() -> None:
    rows = booked_week()["2026-10-25"]
    assert read_rows(text_of(rows)) == rows
    for wrong in ("0615-K3", "0615-K3 ", "0615-K3 A\n0615-K3 B"):
        with pytest.raises(ValueError, match=r"no booking|twice"):
            read_rows(wrong)
