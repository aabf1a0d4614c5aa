"""A child process under supervision: started until ready, ended, killed, counted."""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.rehearsal.spawn import Process, end, last_lines, spawn

READY_WITHIN = 45.0
Check = Callable[[], bool]


class ChildFailed(Exception):
    """A child ended before it was ready, or was not ready in time; the message holds the end of its log."""


def listens(port: int) -> Check:
    """Ready when somebody accepts connections on this port of loopback."""

    def check() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return check


class Child:
    """Synchronous, callable from any thread. `ready` is asked every 20 ms after a start; None: alive is ready."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        folder: Path = Path("/"),
        ready: Check | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.restarts = 0
        self._command = command
        self._environment = environment
        self._folder = folder
        self._ready = ready
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Negative: the number of the signal that ended it. None while it runs, and before its first start."""
        return self._process.poll() if self._process is not None else None

    def launch(self) -> None:
        """Start without waiting. Does nothing if it runs."""
        if self.is_running:
            return
        if self._process is not None:
            self.restarts += 1
        self._process = spawn(self._command, log=self.log, environment=self._environment, folder=self._folder)

    def wait_ready(self, within: float = READY_WITHIN) -> None:
        """Raises ChildFailed."""
        deadline = time.monotonic() + within
        while True:
            if not self.is_running:
                raise ChildFailed(f"{self.name} ended with {self.exit_code}. Its last words:\n{last_lines(self.log)}")
            if self._ready is None or self._ready():
                return
            if time.monotonic() > deadline:
                raise ChildFailed(
                    f"{self.name} was not ready within {within:g} s. Its last words:\n{last_lines(self.log)}"
                )
            time.sleep(0.02)

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def stop(self, patience: float = 5) -> None:
        end(self._process, patience=patience)

    def kill(self) -> int:
        """SIGKILL, as a fault; the process id it had. Raises ChildFailed if it was not running."""
        pid = self.pid
        if self._process is None or pid is None:
            raise ChildFailed(f"{self.name} is not running.")
        self._process.kill()
        self._process.wait(5)
        return pid
