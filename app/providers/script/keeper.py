"""A program of its own, `python -I -S keeper.py`: runs one command and leaves nothing of it behind.

The first line on its input is the order, as JSON: `argv`, `within` (seconds), `keep` (bytes of each output), `most`
(bytes of all output before it is a flood). The command's whole tree is ended, TERM first and then KILL, when the
command ends, when the time is up, when it floods, and when the input ends (whoever gave the order is gone). All orphans
of the tree come to this process (PR_SET_CHILD_SUBREAPER), also those with a session of their own. The answer is one
JSON object.

An order with `live` (`hidden`: names of variables whose values are never shown, `signals`, `fatal_from`) tells the
output while it comes: both outputs as one, a JSON object a line (reading.py), the answer as the last. It is also ended
when a signal says that it failed. `grace` is then the seconds between TERM and KILL, `user` a user id, a group id and
more group ids that the command runs as, `folder` where it runs: only the command goes there, because a share may hang.
`until` is a leash, in seconds of CLOCK_BOOTTIME: the tree is ended then, or not begun any more, unless a line of the
input named a later time. So it ends in time also when whoever gave the order stands still and cannot close the input.

Standard library only, and started bare, because each run of a script pays for its start.
"""

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE = 0.5
"""Seconds between TERM and KILL."""
PATIENCE = 4.5
"""Seconds of KILL before a process is reported as a survivor (one that the kernel does not let go)."""
CHUNK = 65536
PIPE_MOST = 1024 * 1024
"""More is in no pipe."""


class Output:
    """One output of the command: the beginning is kept, the rest counted."""

    def __init__(self, keep: int) -> None:
        self.read_end, self.write_end = os.pipe()
        self.kept = bytearray()
        self.total = 0
        self.is_open = True
        self._keep = keep

    def take(self) -> None:
        chunk = os.read(self.read_end, CHUNK)
        self.is_open = bool(chunk)
        self.total += len(chunk)
        self.kept += chunk[: max(0, self._keep - len(self.kept))]

    def take_rest(self) -> None:
        """What is in the pipe already."""
        os.set_blocking(self.read_end, False)
        most = self.total + PIPE_MOST  # somebody who could not be ended may print for ever
        with contextlib.suppress(BlockingIOError):
            while self.is_open and self.total < most:
                self.take()

    def rest(self) -> bytes:
        """What is in the pipe already, of an output that is carried elsewhere."""
        os.set_blocking(self.read_end, False)
        found = bytearray()
        with contextlib.suppress(BlockingIOError):
            while len(found) < PIPE_MOST and (chunk := os.read(self.read_end, CHUNK)):
                found += chunk
        return bytes(found)

    def as_json(self) -> dict[str, object]:
        return {"text": self.kept.decode("utf-8", "replace"), "dropped": self.total - len(self.kept)}


def start(
    argv: list[str], out: Output, err: Output, user: list[int] | None = None, folder: str = ""
) -> tuple[int, str]:
    """The command's process id, and why it could not be started."""
    failure_read, failure_write = os.pipe()
    libc = ctypes.CDLL(None)
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            if folder:
                os.chdir(folder)
            if user is not None:
                os.setgroups(user[2:])
                os.setgid(user[1])
                os.setuid(user[0])
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a shell's pipes need it
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.write_end, 1)
            os.dup2(err.write_end, 2)
            os.execvp(argv[0], argv)  # noqa: S606  (no shell is the point)
        except OSError as problem:
            os.write(failure_write, str(problem).encode())
        finally:
            os._exit(127)
    for descriptor in {failure_write, out.write_end, err.write_end}:
        os.close(descriptor)
    with os.fdopen(failure_read, "rb") as failure:
        return pid, failure.read().decode("utf-8", "replace")


def watch(pid: int, outputs: list[Output], until: float, most: int) -> str:
    """Carry the outputs until something ends it; what that was."""
    ending = os.pidfd_open(pid)
    while True:
        left = until - time.monotonic()
        if left <= 0:
            return "late"
        if sum(output.total for output in outputs) > most:
            return "flood"
        reading = {output.read_end: output for output in outputs if output.is_open}
        ready, _, _ = select.select([0, ending, *reading], [], [], left)
        for descriptor in ready:
            if descriptor in reading:
                reading[descriptor].take()
        if ending in ready:
            return "ended"
        if 0 in ready and not os.read(0, CHUNK):
            return "abandoned"


def descendants() -> list[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                state, parent = stat.read().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(name)] = int(parent)
    found: list[int] = []
    wave = {os.getpid()}
    while wave:
        wave = {pid for pid, parent in parents.items() if parent in wave}
        found += wave
    return found


def end_everything(statuses: dict[int, int], grace: float = GRACE) -> int:
    """End and reap all descendants; how many survived."""
    began = time.monotonic()
    number = signal.SIGTERM
    signalled: set[int] = set()
    while True:
        alive = descendants() if reap(statuses) else []
        waited = time.monotonic() - began
        if not alive or waited > grace + PATIENCE:
            return len(alive)
        if waited > grace:
            number, signalled = signal.SIGKILL, set()
        for pid in alive:
            if pid not in signalled:
                signalled.add(pid)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
                    os.kill(pid, signal.SIGCONT)
        time.sleep(0.005)


def reap(statuses: dict[int, int]) -> bool:
    """Whether there is a child left. Without children there are no descendants: each orphan becomes one."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True
            statuses[pid] = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        return False


class Told:
    """This process's output, written as far as whoever listens takes it: a slow listener must not keep an order to
    stop from being heard."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        os.set_blocking(1, False)

    def say(self, words: object) -> None:
        self.waiting += json.dumps(words, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    def write(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.waiting:
                del self.waiting[: os.write(1, self.waiting)]


def watch_live(pid: int, output: Output, until: float, reader: Any, told: Told, leash: "Leash") -> str:
    """Tell the output until something ends it; what that was."""
    ending = os.pidfd_open(pid)
    while True:
        now = time.monotonic()
        if now >= until:
            return "late"
        if leash.is_over():
            return "lapsed"
        if not told.waiting and reader.due_in(now) <= 0 and (piece := reader.piece(now)) is not None:
            told.say(piece)
        reading = [output.read_end] if output.is_open and not reader.is_full else []
        writing = [1] if told.waiting else []
        longest = max(0.0, min(until - now, leash.left))
        wait = longest if told.waiting else min(longest, max(0.005, reader.due_in(now)))
        ready, writable, _ = select.select([0, ending, *reading], writing, [], wait)
        if writable:
            told.write()
        if output.read_end in ready:
            chunk = os.read(output.read_end, CHUNK)
            output.is_open = bool(chunk)
            reader.feed(chunk)
            if reader.fatal is not None:
                return "signal"
        elif ending in ready:
            return "ended"
        if 0 in ready and not leash.hear():
            return "abandoned"


class Leash:
    """How long the command may go on without another word from whoever ordered it."""

    def __init__(self, until: float | None, heard: bytes) -> None:
        self._until = float("inf") if until is None else until
        self._rest = b""
        self._take(heard)

    def hear(self) -> bool:
        """Take in what the input says; False once it has ended."""
        chunk = os.read(0, CHUNK)
        self._take(chunk)
        return bool(chunk)

    def _take(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._until = max(self._until, float(line))

    def is_over(self) -> bool:
        """A word that is in the input already counts, however late it is read: it names a time, not a length."""
        while self.left <= 0 and select.select([0], [], [], 0)[0] and self.hear():
            pass
        return self.left <= 0

    @property
    def left(self) -> float:
        """Seconds."""
        return self._until - time.clock_gettime(time.CLOCK_BOOTTIME)


def live(order: dict[str, Any], heard: bytes) -> None:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # -I leaves this folder out
    hidden = {name: os.environ[name] for name in order["hidden"] if name in os.environ}
    reader = importlib.import_module("reading").Reader(hidden, order["signals"], order["fatal_from"])
    until = time.monotonic() + order["within"]
    output, told, leash = Output(0), Told(), Leash(order.get("until"), heard)
    if leash.is_over():
        told.say({"how": "lapsed", "code": None, "problem": "", "survivors": 0})
        told.write()
        return
    pid, problem = start(order["argv"], output, output, order["user"], order["folder"])
    statuses: dict[int, int] = {}
    try:
        how = "not started" if problem else watch_live(pid, output, until, reader, told, leash)
    finally:
        # Whoever ordered it counts on its end a grace after the leash: no more of it for what stood still itself.
        survivors = end_everything(statuses, max(0.0, min(order["grace"], order["grace"] + leash.left)))
    rest = output.rest()
    reader.feed(rest)
    reader.end()
    if how == "ended" and reader.fatal is not None:
        how = "signal"
    os.set_blocking(1, True)
    while (piece := reader.piece(time.monotonic())) is not None:
        told.say(piece)
        told.write()
    told.say({"how": how, "code": statuses.get(pid), "problem": problem, "survivors": survivors})
    told.write()


def read_order() -> bytes:
    """All that came up to the end of the first line, and whatever came with that."""
    found = b""
    while b"\n" not in found and (chunk := os.read(0, CHUNK)):
        found += chunk
    return found


def main() -> None:
    first, _, heard = read_order().partition(b"\n")
    order = json.loads(first)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if order.get("live"):
        live(order, heard)
        return
    until = time.monotonic() + order["within"]
    out, err = Output(order["keep"]), Output(order["keep"])
    pid, problem = start(order["argv"], out, err)
    how = "not started" if problem else watch(pid, [out, err], until, order["most"])
    statuses: dict[int, int] = {}
    survivors = end_everything(statuses)
    for output in (out, err):
        output.take_rest()
    answer = {
        "how": how,
        "code": statuses.get(pid),
        "problem": problem,
        "out": out.as_json(),
        "err": err.as_json(),
        "survivors": survivors,
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
