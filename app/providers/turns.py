"""Writers to one target take turns on this host, and the newest epoch is kept in a file.

For balancers that cannot compare and set. A lock of the kernel's (`flock`) beside the file gives one writer the turn
and falls with its process. Neither a frozen writer nor a full disk may hold up a rollback: after `patience` seconds, or
when the folder takes no files, the next one goes on all the same, and the balancer's own epoch and the fence stand
between the two. Across hosts there is no lock: docs/adr/0006-epochs-on-own-balancers.md.
"""

import asyncio
import contextlib
import fcntl
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from app.ports.traffic import Finding, ProviderError, StaleEpoch

LOOK_FIRST = 0.002
LOOK_LAST = 0.02

log = structlog.get_logger()


class Turn:
    """What a writer may do while it is its turn."""

    def __init__(self, file: Path, wanted: Path) -> None:
        self._file = file
        self._wanted = wanted

    def newer_waiting(self, epoch: int) -> int | None:
        """The epoch of a newer writer who waits for the turn, also in another process."""
        with contextlib.suppress(ProviderError):
            if (wanted := read_epoch(self._wanted)) > epoch:
                return wanted
        return None

    def check(self, epoch: int) -> None:
        """Raises StaleEpoch if the file holds a newer one."""
        newest = read_epoch(self._file)
        if epoch < newest:
            raise StaleEpoch(epoch, newest)

    def keep(self, epoch: int) -> None:
        """Make it the newest, also for after a power cut. Raises StaleEpoch."""
        self.check(epoch)
        if epoch == read_epoch(self._file):
            return
        try:
            _replace(self._file, epoch, is_durable=True)
        except OSError as problem:
            log.warning("epoch.not_kept", file=str(self._file), error=str(problem))


class Turns:
    """One for each target of a process. `folder` is shared by all workers of the host."""

    def __init__(self, folder: Path, target: str, patience: float) -> None:
        self.folder = folder
        name = re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):02x}", target)
        self.file = folder / f"{name}.epoch"
        self._lock_file = folder / f"{name}.lock"
        self._wanted = folder / f"{name}.wanted"
        self._patience = patience
        self._here = asyncio.Lock()

    @property
    def newest(self) -> int:
        """The newest epoch kept; 0 before the first. Raises ProviderError."""
        return read_epoch(self.file)

    def finding(self) -> Finding:
        """For a pre-flight: can the epoch be kept? Changes nothing."""
        title = f"The epoch can be kept in {self.folder}"
        try:
            newest = self.newest
        except ProviderError as problem:
            return Finding("state_folder", title, False, problem.message, "Mend or remove that file.")
        place = self.folder if self.folder.exists() else self.folder.parent
        if not os.access(place, os.W_OK | os.X_OK):
            return Finding("state_folder", title, False, "not writable", "Let the workers' user write there.")
        return Finding("state_folder", title, True, f"epoch {newest}")

    @contextlib.asynccontextmanager
    async def next(self, epoch: int) -> AsyncIterator[Turn]:
        """Wait for the turn to write with `epoch`; at most `patience` seconds, then without it."""
        self._announce(epoch)
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._patience
        async with contextlib.AsyncExitStack() as stack:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(give_up):
                    await self._here.acquire()
                stack.callback(self._here.release)
            await self._lock(stack, give_up)
            yield Turn(self.file, self._wanted)

    def _announce(self, epoch: int) -> None:
        """So that an older writer whose turn is long can give it up."""
        with contextlib.suppress(OSError, ProviderError):
            self.folder.mkdir(parents=True, exist_ok=True)
            if epoch > read_epoch(self._wanted):
                _replace(self._wanted, epoch)

    async def _lock(self, stack: contextlib.AsyncExitStack, give_up: float) -> None:
        """Looks again and again: waiting in the kernel would need a thread that cannot be called off."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as problem:
            log.warning("turn.not_locked", file=str(self._lock_file), error=str(problem))
            return
        stack.callback(os.close, descriptor)
        pause = LOOK_FIRST
        while not _locked(descriptor):
            if asyncio.get_running_loop().time() > give_up:
                log.warning("turn.not_waited_for", file=str(self._lock_file), seconds=self._patience)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LOOK_LAST)


def read_epoch(file: Path) -> int:
    """0 where there is none. Raises ProviderError when it cannot be read: an unknown epoch is not an old one."""
    try:
        return int(file.read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as problem:
        raise ProviderError(f"{file} does not tell the newest epoch: {problem}", permanent=True) from problem


def _replace(file: Path, epoch: int, *, is_durable: bool = False) -> None:
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    with fresh.open("w") as stream:
        stream.write(f"{epoch}\n")
        if is_durable:
            stream.flush()
            os.fsync(stream.fileno())
    fresh.replace(file)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
