"""Processes of a PostgreSQL that was killed.

The number in a stale postmaster.pid may be another process by now, and a busy backend may outlive its postmaster and
hold the shared memory: what counts is whose working folder is the data.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from app.rehearsal.ground import Ground, NoPostgres

DYING = 3.0
"""Seconds that an orphan gets to shut down by itself (measured: 1.1 to 1.8)."""
KILLED = 5.0
LOOK = 'for p in /proc/[0-9]*; do [ "$(readlink "$p/cwd")" = "$1" ] && echo "${p#/proc/}"; done; true'


class Leftovers:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._home = os.path.realpath(ground.cluster)

    def pids(self) -> list[int]:
        if self._ground.owner is not None:
            return self._pids_of_another_user()
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._is_home(entry)]

    def end(self) -> None:
        """Let a dying one finish, then end what is left. Called under the cluster's lock. Raises NoPostgres."""
        for number, patience in ((signal.SIGINT, DYING), (signal.SIGKILL, KILLED)):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if self._are_gone_within(patience):
                break
        else:
            raise NoPostgres(f"Old PostgreSQL processes do not end: {self.pids()}.")
        (self._ground.cluster / "postmaster.pid").unlink(missing_ok=True)

    def _are_gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.pids():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _is_home(self, process: Path) -> bool:
        try:
            return os.readlink(process / "cwd") == self._home
        except OSError:
            return False

    def _pids_of_another_user(self) -> list[int]:
        """Root in a container may not look at another user's processes, but that user may."""
        command = [*self._ground.prefix, "/bin/sh", "-c", LOOK, "sh", self._home]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=True, timeout=20)
        return [int(line) for line in done.stdout.split()]
