"""Files that must be whole and must survive the machine's end: written beside, forced to disk, then put in place."""

import os
import secrets
from pathlib import Path

ZEROS = b"\0" * 4096


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path` in one step, readable by its owner only. A reader sees the old content or the new one, after a
    crash as well. Raises OSError (a full disk) and leaves the old one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def reserve(path: Path, size: int) -> None:
    """Make sure that `path` holds `size` bytes of its own on the disk, written and not only promised, so that a full
    disk cannot take them. Raises OSError when there is no room."""
    if path.exists() and path.stat().st_size == size:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            for _ in range(size // len(ZEROS)):
                handle.write(ZEROS)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A file's name is part of its folder: after a rename that must be on disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private(folder: Path) -> Path:
    """The folder, made if it is missing, open to its owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder
