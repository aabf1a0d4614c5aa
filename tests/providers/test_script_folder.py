"""A team's own scripts: real ones, that print without end, hang, leave children, and know secrets."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from app.ports.script import Ended, Piece, machine_now
from app.ports.traffic import ProviderError
from app.providers.script.folder import GRACE, ScriptFolder
from app.providers.script.keeper import CHUNK, PIPE_MOST, Output
from app.providers.script.reading import LINE_MOST, WHOLE, Reader
from app.providers.script.running import Surroundings


@dataclass
class Told:
    pieces: list[Piece] = field(default_factory=list)
    ended: Ended | None = None

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def seen(self) -> list[tuple[int, int, str]]:
        return [(one.signal, one.line, one.text) for piece in self.pieces for one in piece.seen]


def put(folder: Path, text: str, name: str = "script.sh", mode: int = 0o755) -> str:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(mode)
    return name


async def told_by(
    scripts: ScriptFolder, *command: str, within: float = 20, signals: tuple[str, ...] = (), fatal_from: int = 99
) -> Told:
    told = Told()
    async with scripts.start(command, within=within, signals=signals, fatal_from=fatal_from) as run:
        async for piece in run.pieces():
            told.pieces.append(piece)
        told.ended = run.ended
    return told


def processes_with(mark: str) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and mark in " ".join(process.info["cmdline"] or ()):
            found.append(process.pid)
    return found


# ── what runs ───────────────────────────────────────────────────────────────


async def test_output_comes_while_it_runs_in_the_order_it_was_printed(tmp_path: Path) -> None:
    put(tmp_path, "echo one; echo two >&2; printf 'asking… '; sleep 1; echo done; exit 3")
    scripts = ScriptFolder(Surroundings(tmp_path))
    began = time.monotonic()
    at: list[tuple[float, Piece]] = []
    async with scripts.start(("bash", "script.sh"), within=20, signals=(), fatal_from=0) as run:
        async for piece in run.pieces():
            at.append((time.monotonic() - began, piece))
    assert "".join(piece.text for _, piece in at) == "one\ntwo\nasking… done\n"
    assert run.ended == Ended("ended", 3)
    early = [piece for after, piece in at if after < 0.9]
    assert early, "nothing was told before the script ended"
    assert early[0].text == "one\ntwo\n" or early[0].text == "one\n"


async def test_arguments_are_a_list_and_no_shell_reads_them(tmp_path: Path) -> None:
    put(tmp_path, 'printf "%s|" "$@"; echo')
    told = await told_by(ScriptFolder(Surroundings(tmp_path)), "script.sh", "a b", "; touch pwned", "$(id)", "*")
    assert told.text == "a b|; touch pwned|$(id)|*|\n"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("bash", "-c", "echo x"), "names no script"),
        (("bash",), "names no script"),
        ((), "names no script"),
        (("bash", "../outside.sh"), "leads out of the folder"),
        (("/bin/ls",), "leads out of the folder"),
        (("bash", "link.sh"), "leads out of the folder"),
        (("bash", "linked/outside.sh"), "leads out of the folder"),
        (("bash", "."), "leads out of the folder"),
        (("bash", "missing.sh"), "is not in the folder of scripts"),
        (("plain.sh",), "may not be executed"),
        (("bash", "open.sh"), "anybody may change"),
    ],
)
async def test_only_files_of_the_folder_are_run(tmp_path: Path, command: tuple[str, ...], why: str) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    put(tmp_path, "touch pwned", "outside.sh")
    (folder / "link.sh").symlink_to(tmp_path / "outside.sh")
    (folder / "linked").symlink_to(tmp_path)
    put(folder, "echo", "plain.sh", 0o644)
    put(folder, "echo", "open.sh", 0o757)
    scripts = ScriptFolder(Surroundings(folder))
    assert why in await scripts.why_not(command)
    with pytest.raises(ProviderError, match=why):
        await told_by(scripts, *command)


async def test_it_sees_what_the_site_names_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONOGO_DATABASE_URL", "postgresql://secret-of-the-database")
    monkeypatch.setenv("NAMED", "named")
    monkeypatch.setenv("UNNAMED", "unnamed")
    (tmp_path / "key").write_text("hush-hush\n")
    put(tmp_path, "env | sort; [ \"$TOKEN\" = hush-hush ] && echo knows; cat /proc/$PPID/environ | tr '\\0' '\\n'")
    around = Surroundings(tmp_path, ("NAMED", "GONOGO_DATABASE_URL"), {"TOKEN": tmp_path / "key"})
    told = await told_by(ScriptFolder(around), "bash", "script.sh")
    assert "NAMED=‹NAMED›" in told.text
    assert "knows" in told.text
    assert "TOKEN=‹TOKEN›" in told.text
    for never in ("secret-of-the-database", "unnamed", "hush-hush", "GONOGO_"):
        assert never not in told.text


async def test_an_unreadable_secret_keeps_it_from_running(tmp_path: Path) -> None:
    put(tmp_path, "touch ran")
    around = Surroundings(tmp_path, (), {"TOKEN": tmp_path / "nothing"})
    with pytest.raises(ProviderError, match="secret TOKEN"):
        await told_by(ScriptFolder(around), "bash", "script.sh")
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run something as somebody else")
async def test_it_runs_as_the_user_the_site_names(tmp_path: Path) -> None:
    folder = Path("/tmp") / f"scripts-{os.getpid()}"
    folder.mkdir()
    try:
        put(folder, "id -un; kill -9 $PPID 2>/dev/null || echo may not")
        told = await told_by(ScriptFolder(Surroundings(folder), "nobody"), "bash", "script.sh")
        assert told.text == "nobody\nmay not\n"
    finally:
        (folder / "script.sh").unlink()
        folder.rmdir()


async def test_a_user_that_is_not_there_is_said(tmp_path: Path) -> None:
    put(tmp_path, "echo")
    scripts = ScriptFolder(Surroundings(tmp_path), "no-such")
    assert "there is no user no-such" in await scripts.why_not(("bash", "script.sh"))


@pytest.mark.parametrize("open_one", [".", "phase2"])
async def test_a_folder_that_anybody_may_write_to_holds_no_scripts(tmp_path: Path, open_one: str) -> None:
    """Whoever may write to a folder may put another file in place of the one that was looked at."""
    folder = tmp_path / "scripts"
    (folder / "phase2").mkdir(parents=True)
    put(folder / "phase2", "touch pwned")
    scripts = ScriptFolder(Surroundings(folder))
    assert await scripts.why_not(("bash", "phase2/script.sh")) == ""
    (folder / open_one).chmod(0o777)
    assert "anybody may change" in await scripts.why_not(("bash", "phase2/script.sh"))
    with pytest.raises(ProviderError, match="anybody may change"):
        await told_by(scripts, "bash", "phase2/script.sh")
    assert not (folder / "pwned").exists()


class Hanging(ScriptFolder):
    """A folder on a share that does not answer, for a while."""

    seconds = 3.0

    def _why_not(self, command: Sequence[str]) -> str:
        time.sleep(self.seconds)
        return super()._why_not(command)


async def test_a_folder_that_hangs_holds_nothing_else_up(tmp_path: Path) -> None:
    put(tmp_path, "echo x")
    scripts = Hanging(Surroundings(tmp_path), within=1.0)
    longest, stop = 0.0, asyncio.Event()

    async def rollback() -> None:
        nonlocal longest
        while not stop.is_set():
            began = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began)

    meanwhile = asyncio.create_task(rollback())
    assert "does not answer" in await scripts.why_not(("bash", "script.sh"))
    with pytest.raises(ProviderError, match="does not answer"):
        await told_by(scripts, "bash", "script.sh")
    stop.set()
    await meanwhile
    assert longest < 1.0


async def test_questions_that_hang_do_not_pile_up(tmp_path: Path) -> None:
    put(tmp_path, "echo x")
    scripts = Hanging(Surroundings(tmp_path), within=1.0)
    before = threading.active_count()
    asked = [asyncio.create_task(scripts.why_not(("bash", "script.sh"))) for _ in range(100)]
    await asyncio.sleep(0.1)
    assert threading.active_count() - before <= 8
    assert all("does not answer" in why for why in await asyncio.gather(*asked))
    await asyncio.sleep(2.5)
    scripts.seconds = 0.0
    assert await scripts.why_not(("bash", "script.sh")) == "", "once it answers again, scripts run again"


# ── what ends it ────────────────────────────────────────────────────────────


async def test_a_failure_signal_stops_it_at_once(tmp_path: Path) -> None:
    put(tmp_path, "echo fine; echo 'gh: HTTP 403 Forbidden (https://api)'; sleep 30; echo never > never")
    signals = ("fine", "all set", "HTTP 403 Forbidden")
    began = time.monotonic()
    told = await told_by(ScriptFolder(Surroundings(tmp_path)), "bash", "script.sh", signals=signals, fatal_from=2)
    assert time.monotonic() - began < 5
    assert told.ended.how == "signal"
    assert told.seen == [(0, 1, "fine"), (2, 2, "gh: HTTP 403 Forbidden (https://api)")]
    assert not (tmp_path / "never").exists()


async def test_a_script_that_ignores_term_is_gone_with_all_its_children_after_five_seconds(tmp_path: Path) -> None:
    mark = f"hang-{os.getpid()}-{time.monotonic_ns()}"
    put(
        tmp_path,
        f"""trap '' TERM
setsid bash -c 'trap "" TERM; exec -a {mark}-own sleep 600' &
( trap '' TERM; exec -a {mark}-child sleep 600 ) &
echo ready
while :; do :; done  # {mark}""",
        f"{mark}.sh",
    )
    scripts = ScriptFolder(Surroundings(tmp_path))
    async with scripts.start(("bash", f"{mark}.sh"), within=60, signals=(), fatal_from=0) as run:
        pieces = run.pieces()
        assert (await anext(pieces)).text == "ready\n"
        await asyncio.sleep(0.3)
        assert len(processes_with(mark)) == 3
        run.stop()
        stopped = time.monotonic()
        async for _ in pieces:
            pass
    assert time.monotonic() - stopped < 5
    assert processes_with(mark) == []
    assert run.ended.how == "abandoned"
    assert run.ended.survivors == 0


async def test_one_that_takes_too_long_is_ended_and_tells_what_it_printed_at_term(tmp_path: Path) -> None:
    put(tmp_path, "trap 'echo tidying; exit 1' TERM; echo begun; sleep 60 & wait")
    told = await told_by(ScriptFolder(Surroundings(tmp_path)), "bash", "script.sh", within=0.5)
    assert told.ended.how == "late"
    assert told.text == "begun\ntidying\n"


async def test_the_death_of_the_worker_ends_it(tmp_path: Path) -> None:
    """SIGKILL of the process that ordered it: the keeper's input ends."""
    mark = f"orphan-{os.getpid()}-{time.monotonic_ns()}"
    put(tmp_path, f"(exec -a {mark}-child setsid sleep 600) & exec -a {mark} sleep 600", f"{mark}.sh")
    order = f"""
import asyncio
from pathlib import Path
from app.providers.script.folder import ScriptFolder
from app.providers.script.running import Surroundings
async def main():
    folder = ScriptFolder(Surroundings(Path({str(tmp_path)!r})))
    async with folder.start(("bash", "{mark}.sh"), within=600, signals=(), fatal_from=0) as run:
        async for _ in run.pieces(): pass
asyncio.run(main())
"""
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", order)
    try:
        async with asyncio.timeout(15):
            while len(processes_with(mark)) < 2:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
        async with asyncio.timeout(5):
            while processes_with(mark):
                await asyncio.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()


async def test_a_leash_that_nobody_lengthens_ends_it_with_all_its_children(tmp_path: Path) -> None:
    mark = f"leash-{os.getpid()}-{time.monotonic_ns()}"
    put(tmp_path, f"echo begun; trap '' TERM; (exec -a {mark} setsid sleep 600) & while :; do sleep 1; done", mark)
    scripts, until = ScriptFolder(Surroundings(tmp_path)), machine_now() + 1.0
    async with scripts.start(("bash", mark), within=60, signals=(), fatal_from=0, until=until) as run:
        pieces = [piece.text async for piece in run.pieces()]
    assert ("".join(pieces), run.ended.how, run.ended.survivors) == ("begun\n", "lapsed", 0)
    assert until <= machine_now() < until + GRACE + 1, "TERM, then KILL"
    assert not processes_with(mark)


async def test_a_leash_is_lengthened_from_outside(tmp_path: Path) -> None:
    put(tmp_path, "for i in 1 2 3 4; do sleep 0.4; done; echo through")
    scripts, until = ScriptFolder(Surroundings(tmp_path)), machine_now() + 1.0
    async with scripts.start(("bash", "script.sh"), within=60, signals=(), fatal_from=0, until=until) as run:
        run.hold(machine_now() + 30)
        run.hold(machine_now() + 1)  # an older word shortens nothing
        assert "".join([piece.text async for piece in run.pieces()]) == "through\n"
    assert (run.ended.how, run.ended.code) == ("ended", 0)


async def test_nothing_is_begun_once_its_leash_is_over(tmp_path: Path) -> None:
    put(tmp_path, "touch begun")
    scripts, late = ScriptFolder(Surroundings(tmp_path)), machine_now() - 0.1
    async with scripts.start(("bash", "script.sh"), within=60, signals=(), fatal_from=0, until=late) as run:
        assert not [piece async for piece in run.pieces()]
    assert run.ended.how == "lapsed"
    assert not (tmp_path / "begun").exists()


# ── what it prints ──────────────────────────────────────────────────────────


async def test_one_endless_line_costs_no_memory(tmp_path: Path) -> None:
    put(tmp_path, "head -c 200000000 /dev/zero | tr '\\0' x; echo; echo the end")
    mine = psutil.Process().memory_info().rss
    told = await told_by(ScriptFolder(Surroundings(tmp_path)), "bash", "script.sh", within=60)
    assert told.ended == Ended("ended", 0)
    assert told.pieces[-1].total == 200_000_000 + 1 + 8
    assert (psutil.Process().memory_info().rss - mine) / 2**20 < 20
    lines = told.text.splitlines()
    assert lines[-1] == "the end"
    assert lines[0].startswith("x" * LINE_MOST)
    assert lines[0].endswith(f"{200_000_000 - LINE_MOST:,} more characters of this line are left out")
    assert len(told.text) < 2 * LINE_MOST


async def test_a_flood_of_lines_is_cut_in_the_middle_and_says_so(tmp_path: Path) -> None:
    put(tmp_path, "yes 'a line of a flood' | head -c 60000000; echo; echo the end")
    mine = psutil.Process().memory_info().rss
    peak = 0

    async def look() -> None:
        nonlocal peak
        while True:
            keepers = [child for child in psutil.Process().children() if "keeper.py" in " ".join(child.cmdline())]
            peak = max([peak, *(keeper.memory_info().rss for keeper in keepers)])
            await asyncio.sleep(0.05)

    looking = asyncio.create_task(look())
    told = await told_by(ScriptFolder(Surroundings(tmp_path)), "bash", "script.sh", within=120)
    looking.cancel()
    assert told.ended == Ended("ended", 0)
    assert told.text.endswith("the end\n")
    assert "characters are left out here …" in told.text
    last = told.pieces[-1]
    assert last.left_out > 40_000_000
    assert WHOLE < len(told.text) < WHOLE + 3_000_000
    assert (psutil.Process().memory_info().rss - mine) / 2**20 < 30
    assert 0 < peak / 2**20 < 50


async def test_much_that_is_seen_at_once_in_any_script_of_the_world(tmp_path: Path) -> None:
    """A piece of 64 Ki letters that take many bytes, with all its signals, is one line of the keeper."""
    signals = tuple(f"signal {number} ends" for number in range(200))
    (tmp_path / "lines").write_text("".join(f"{'🚀' * 300} {signal}\n" for signal in signals))
    put(tmp_path, "cat lines")
    told = await told_by(ScriptFolder(Surroundings(tmp_path)), "bash", "script.sh", signals=signals, fatal_from=999)
    assert told.ended == Ended("ended", 0)
    assert len(told.seen) == len(signals)
    assert told.text == (tmp_path / "lines").read_text()


def test_the_rest_of_a_pipe_has_an_end_though_somebody_writes_for_ever() -> None:
    """A process that could not be ended (it runs as somebody else) may print on."""
    output = Output(1024)
    writer = subprocess.Popen(["yes"], stdout=output.write_end)
    os.close(output.write_end)
    began = time.monotonic()
    try:
        assert len(output.rest()) <= PIPE_MOST + CHUNK
        while not output.kept:
            output.take_rest()
    finally:
        writer.kill()
        writer.wait()
    assert time.monotonic() - began < 5
    assert len(output.kept) == 1024


def read(data: bytes, *, size: int = 7, hidden: dict[str, str] | None = None, signals: list[str] | None = None) -> str:
    reader = Reader(hidden or {}, signals or [], 99)
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    reader.end()
    text = ""
    while (piece := reader.piece(0.0)) is not None:
        text += str(piece["text"])
    return text


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"token hush-hush!\n", "token ‹TOKEN›!\n"),
        (b"hush-hus and hush-hush-long and hush-hushush-hush\n", "hush-hus and ‹LONG› and ‹TOKEN›ush-hush\n"),
        (b"\x1b[31mhu\x1b[1msh-hush\x1b[0m\n", "‹TOKEN›\n"),
        (b"ends in hush-hu", "ends in hush-hu\n"),
        (b"-----BEGIN-----\nsecondline-of-key\n", "‹KEY›\n"),
        (b"only secondline-of-key here\n", "only ‹KEY› here\n"),
        ("überhush-hush\n".encode(), "über‹TOKEN›\n"),
    ],
)
def test_secrets_are_hidden_wherever_the_output_is_cut(printed: bytes, shown: str, size: int) -> None:
    hidden = {"TOKEN": "hush-hush", "LONG": "hush-hush-long", "KEY": "-----BEGIN-----\nsecondline-of-key"}
    assert read(printed, size=size, hidden=hidden) == shown


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"\x1b[1;31mred\x1b[0m \x1b[38;5;9mmore\x1b[m\n", "red more\n"),
        (b"\x1b]0;title\x07\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\\n", "link\n"),
        (b"\x1bPq payload \x1b\\\x1b_apc\x1b\\text\x1b(B\x1b7\n", "text\n"),
        (b"10 %\r50 %\r100 %\r\ndone\r\n", "100 %\ndone\n"),
        (b"bell\x07 nul\x00 back\x08\x08 c1\xc2\x9b31m\n", "bell nul back c131m\n"),
        (b"\xff\xfe\x00binary\n", "��binary\n"),
        ("abc\u202edcba\u2066x\u2028y\n".encode(), "abcdcbax y\n"),
        (b"<script>alert(1)</script>&amp;\n", "<script>alert(1)</script>&amp;\n"),
        (b"unfinished \x1b[3", "unfinished [3\n"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(printed: bytes, shown: str, size: int) -> None:
    assert read(printed, size=size) == shown


def test_an_escape_that_never_ends_hides_nothing_for_ever() -> None:
    text = read(b"\x1b]0;" + b"a" * 10_000 + b"\nafter\n", size=512)
    assert text.endswith("after\n")


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_signals_are_found_across_cuts_in_overwritten_lines_and_beyond_a_long_lines_end(size: int) -> None:
    reader = Reader({}, ["first signal", "second signal", "third signal", "never"], 2)
    data = b"first signal\rover\n" + b"x" * (LINE_MOST + 100) + b"second signal\nnot third sig\nnal\nthird signal"
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    seen = {one["signal"]: one["line"] for piece in iter(lambda: reader.piece(0.0), None) for one in piece["seen"]}  # type: ignore[attr-defined]
    assert seen == {0: 1, 1: 2, 2: 5}
    assert reader.fatal == 2
