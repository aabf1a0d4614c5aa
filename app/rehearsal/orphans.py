"""Processes that an installation left behind. Parent-death signals end nearly all of them; this ends the rest."""

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "GONOGO_CHILD_OF"
"""In the environment of each child: the data folder of its installation."""
PATIENCE = 5.0


def pids(data_dir: Path) -> list[int]:
    """Processes marked as children of the installation in `data_dir`, but for this one."""
    mark = f"{MARK}={data_dir}".encode()
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_marked(entry, mark)]
    return [pid for pid in found if pid != os.getpid()]


def end(data_dir: Path) -> int:
    """SIGKILL them and wait until they are gone; how many there were. Called under the installation's lock."""
    found = pids(data_dir)
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while pids(data_dir) and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(found)


def _is_marked(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
