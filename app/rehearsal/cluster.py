"""What surrounds a PostgreSQL cluster: the lock of its one supervisor, and the folder of its socket."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from app.rehearsal.ground import Ground, NoPostgres

LONGEST_RUNTIME = 40
SHORT = Path("/", "tmp")


class AlreadyLocked(Exception):
    """Another process looks after this folder."""


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

    def __init__(self, data_dir: Path, ground: Ground) -> None:
        name = f"gonogo-{os.geteuid()}-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]}"
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        is_fit = runtime and len(runtime) < LONGEST_RUNTIME and os.access(runtime, os.W_OK) and ground.owner is None
        self.path = (Path(runtime) if is_fit else SHORT) / name
        self._ground = ground

    def make(self) -> None:
        """Make it with mode 0700, or check that the one that is there is ours, and empty it. Raises NoPostgres."""
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        found = self.path.lstat()
        ours = {os.geteuid(), self._ground.owner[0] if self._ground.owner else os.geteuid()}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
            raise NoPostgres(f"{self.path} belongs to somebody else. Remove it and start again.")
        self.path.chmod(0o700)
        self._ground.give(self.path)
        for old in self.path.glob(".s.PGSQL.*"):
            old.unlink()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
