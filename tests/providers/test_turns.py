"""Taking turns: one at a time in a process and across processes, the newest epoch kept, nobody held up for ever."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from app.ports.traffic import ProviderError, StaleEpoch
from app.providers.turns import Turns

HOLD = """
import fcntl, sys, time
lock = open(sys.argv[1], "a")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


async def test_one_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0

    async def work(turns: Turns) -> None:
        nonlocal inside, most
        async with turns.next(1):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.002)
            inside -= 1

    one, other = Turns(tmp_path, "production", 5), Turns(tmp_path, "production", 5)
    await asyncio.gather(*(work(turns) for turns in (one, other) * 10))
    assert most == 1


async def test_the_newest_epoch_is_kept_and_an_older_one_refused(tmp_path: Path) -> None:
    turns = Turns(tmp_path, "production", 1)
    assert turns.newest == 0
    async with turns.next(7) as turn:
        turn.keep(7)
        turn.keep(7)
        with pytest.raises(StaleEpoch):
            turn.keep(6)
    assert Turns(tmp_path, "production", 1).newest == 7
    assert Turns(tmp_path, "staging", 1).newest == 0


@pytest.mark.parametrize(("held_s", "least"), [(0.4, 0.3), (30, 0.9)])
async def test_a_process_that_holds_the_lock_is_waited_for_but_not_for_ever(
    tmp_path: Path, held_s: float, least: float
) -> None:
    lock = tmp_path / "production.lock"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(lock), str(held_s), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    await holder.stdout.readline()
    began = time.monotonic()
    async with Turns(tmp_path, "production", 1).next(1):
        waited = time.monotonic() - began
    if holder.returncode is None:
        holder.kill()
    await holder.communicate()
    assert least < waited < 3


async def test_a_folder_that_takes_no_files_does_not_stop_a_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    turns = Turns(tmp_path / "file" / "below", "production", 1)
    with pytest.raises(ProviderError):
        assert turns.newest
    async with turns.next(1):
        pass


async def test_an_epoch_that_cannot_be_read_is_not_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "production.epoch").write_text("seven")
    turns = Turns(tmp_path, "production", 1)
    async with turns.next(7) as turn:
        with pytest.raises(ProviderError):
            turn.check(8)


async def test_a_newer_writer_who_waits_is_known_to_the_older_one(tmp_path: Path) -> None:
    here, elsewhere = Turns(tmp_path, "production", 0.2), Turns(tmp_path, "production", 0.2)
    async with here.next(4) as turn:
        assert turn.newer_waiting(4) is None
        async with elsewhere.next(5):
            assert turn.newer_waiting(4) == 5
        async with elsewhere.next(3):
            assert turn.newer_waiting(4) == 5
