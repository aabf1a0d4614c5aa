"""Starting child processes that die with this process, whatever ends it.

Linux sends a child its parent-death signal when the *thread* that forked it ends, so all children are forked by one
thread that lives as long as the process does. That makes `spawn` safe to call from any thread.
"""

import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

Process = subprocess.Popen[bytes]
Job = tuple[Callable[[], Process], "Future[Process]"]

_jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
_start = threading.Lock()
_thread: threading.Thread | None = None


def _fork_for_ever() -> None:
    while True:
        job, answer = _jobs.get()
        try:
            answer.set_result(job())
        except BaseException as problem:
            answer.set_exception(problem)


def _on_the_forking_thread(job: Callable[[], Process]) -> Process:
    global _thread
    with _start:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_fork_for_ever, name="forking", daemon=True)
            _thread.start()
    answer: Future[Process] = Future()
    _jobs.put((job, answer))
    return answer.result(timeout=30)


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path = Path("/"),
    death_signal: str = "KILL",
    prefix: Sequence[str] = (),
) -> Process:
    """Start `command` in a session of its own, its output appended to `log`.

    `death_signal` is what it gets when this process dies. `prefix` goes before the command that sets the signal, for
    wrappers that change credentials (which would clear it).
    """
    argv = [*prefix, "setpriv", "--pdeathsig", death_signal, "--", *command]
    log.parent.mkdir(parents=True, exist_ok=True)

    def start() -> Process:
        with log.open("ab") as output:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )

    return _on_the_forking_thread(start)


def end(process: Process | None, *, first: signal.Signals = signal.SIGTERM, patience: float = 5) -> None:
    """End a child: `first`, and SIGKILL after `patience` seconds. Does nothing if it has ended already."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(first)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(patience)


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a child's log, for the message that says why it did not start."""
    if not log.exists():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 8192))
        text = stream.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-count:])
