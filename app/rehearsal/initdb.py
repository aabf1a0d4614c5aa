"""Making a PostgreSQL cluster, whole or not at all."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from app.rehearsal.ground import Ground
from app.rehearsal.spawn import last_lines

SUPERUSER = "gonogo_root"
OWNER = "owner"
APP = "app"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
WITHIN = 120


class PostgresFailed(Exception):
    """PostgreSQL could not be started; the message holds the end of its log."""


def make_cluster(ground: Ground, passwords_file: Path, log: Path, *, is_fast: bool) -> None:
    """initdb into a folder beside, then rename: a kill in the middle leaves nothing half made. `passwords_file` gets
    new passwords for superuser, owner and app. Raises PostgresFailed."""
    fresh = ground.cluster.with_name(ground.cluster.name + ".new")
    if fresh.exists():
        shutil.rmtree(fresh)
    passwords = {name: secrets.token_hex(24) for name in (SUPERUSER, OWNER, APP)}
    _write_private(passwords_file, json.dumps(passwords))
    password = ground.cluster.with_name(ground.cluster.name + ".password")
    _write_private(password, passwords[SUPERUSER])
    ground.give(password)
    command = [f"{ground.bin}/initdb", "-D", str(fresh), "-U", SUPERUSER, f"--pwfile={password}", "-E", "UTF8"]
    command += ["--locale=C.UTF-8", "--auth=scram-sha-256", *(["--no-sync"] if is_fast else [])]
    try:
        with log.open("ab") as output:
            done = subprocess.run(
                [*ground.prefix, *command],
                env=ENVIRONMENT,
                cwd="/",
                stdout=output,
                stderr=output,
                check=False,
                timeout=WITHIN,
            )
    finally:
        password.unlink()
    if done.returncode != 0:
        raise PostgresFailed(f"initdb ended with {done.returncode}. Its last words:\n{last_lines(log)}")
    with contextlib.suppress(FileNotFoundError):
        ground.cluster.rmdir()
    fresh.rename(ground.cluster)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
