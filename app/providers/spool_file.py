"""ports.spool as a file a run: lines of JSON, each forced to disk before the next thing happens.

While a target is armed, each worker keeps a reserved file beside the spools. A run takes it over and writes into its
room, so that a full disk does not keep a rollback from being recorded.
"""

import contextlib
import fcntl
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.domain.spool import Line, What, read, written
from app.providers.disk import make_private, reserve, sync_folder

FOLDER = "break-glass"
RESERVED = "reserved"
ROOM = 256 * 1024
"""More than a run of ten minutes writes."""
TAKEN_IN = "taken-in"
WORDS_MOST = 2000
"""Characters of one text: a reason must not fill the reserved room."""


class SpoolFolder:
    """`folder` is `break-glass` in a worker's data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def reserve(self) -> None:
        """Raises OSError when the disk has no room left for a spool."""
        make_private(self.folder)
        reserve(self.folder / RESERVED, ROOM)

    def release(self) -> None:
        """Nothing is armed here any more."""
        (self.folder / RESERVED).unlink(missing_ok=True)

    def runs(self) -> list[Path]:
        """The spools that nobody has taken in, oldest first."""
        return sorted(self.folder.glob("*.jsonl"))

    def put_away(self, path: Path, suffix: str = "") -> None:
        """Keep a spool that was taken in (or cannot be: then with a suffix) where it is not looked at again."""
        away = make_private(self.folder / TAKEN_IN)
        with contextlib.suppress(FileNotFoundError):  # another worker of this machine was faster
            os.replace(path, away / f"{path.name}{suffix}")

    def begin(self, key: bytes) -> "SpoolFile":
        """A new run's spool, in the reserved room if there is any. Never raises: what cannot be kept is said."""
        run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        path = self.folder / f"{run}.jsonl"
        try:
            make_private(self.folder)
            reserved = self.folder / RESERVED
            if reserved.exists():
                os.replace(reserved, path)
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            else:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            sync_folder(self.folder)
        except OSError as problem:
            return SpoolFile(run, path, None, key, str(problem))
        return SpoolFile(run, path, descriptor, key)


class SpoolFile:
    """One run. `problem` says why a line could not be kept."""

    def __init__(self, run: str, path: Path, descriptor: int | None, key: bytes, problem: str = "") -> None:
        self.run, self.path, self.problem = run, path, problem
        self._descriptor, self._key = descriptor, key
        self._signature, self._seq, self._end = "", 0, 0

    @property
    def is_kept(self) -> bool:
        return not self.problem

    def write(self, what: What, text: str, **detail: Any) -> bool:
        plain = {name: _plain(value) for name, value in detail.items()}
        line = Line(self.run, self._seq + 1, datetime.now(UTC), what, _plain(text), plain)
        content, signature = written(line, self._signature, self._key)
        raw = content.encode() + b"\n"
        if self._descriptor is None:
            return False
        try:
            sent = 0
            while sent < len(raw):
                sent += os.pwrite(self._descriptor, raw[sent:], self._end + sent)
            os.fsync(self._descriptor)
        except OSError as problem:
            # The line is not part of the chain: the next one takes its place, and may find room again.
            self.problem = str(problem)
            return False
        self._signature, self._seq, self._end = signature, line.seq, self._end + len(raw)
        return True

    def close(self) -> None:
        """Give back what is left of the reserved room."""
        if self._descriptor is None:
            return
        try:
            os.ftruncate(self._descriptor, self._end)
            os.fsync(self._descriptor)
        except OSError:
            pass  # The reader skips what is left of the reserved room.
        finally:
            os.close(self._descriptor)
            self._descriptor = None


def _plain(value: Any) -> Any:
    """Text as a file can keep it. What was typed in another encoding comes as halves of characters, and what cannot be
    written down in full must not keep a rollback from happening."""
    return value.encode("utf-8", "replace").decode()[:WORDS_MOST] if isinstance(value, str) else value


def is_written_still(path: Path) -> bool:
    """True while the process that writes it lives: it holds the file's lock, which its end gives back."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_spool(path: Path, key: bytes) -> list[Line]:
    """The whole lines of a run, also of one that is still being written. Raises SpoolDamaged and OSError."""
    content = path.read_bytes().rstrip(b"\0")
    whole, _, _rest = content.rpartition(b"\n")  # a last line without its end was never finished
    return read(whole.decode("utf-8", "replace").split("\n") if whole else [], key)
