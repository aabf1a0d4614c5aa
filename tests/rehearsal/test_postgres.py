"""The embedded PostgreSQL: starts, recovers from kills, keeps its data, keeps the roles apart."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from app.rehearsal.cluster import AlreadyLocked
from app.rehearsal.ground import NoPostgres, find_ground
from app.rehearsal.leftovers import Leftovers
from app.rehearsal.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("path with spaces") / "postgres", fast=True)
    server.start()
    server.create_database("gonogo")
    yield server
    server.stop()


def count(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.conninfo("gonogo", "app")) as connection:
        row = connection.execute("select count(*) from line").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def lines(server: EmbeddedPostgres) -> EmbeddedPostgres:
    with psycopg.connect(server.conninfo("gonogo", "owner")) as connection:
        connection.execute("create table line (id bigint generated always as identity primary key)")
    return server


def insert(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.conninfo("gonogo", "app")) as connection:
        connection.execute("insert into line default values")


def test_app_may_write_rows_and_make_no_tables(lines: EmbeddedPostgres) -> None:
    insert(lines)
    with (
        psycopg.connect(lines.conninfo("gonogo", "app")) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute("create table mine (id int)")


def test_a_password_is_asked(server: EmbeddedPostgres) -> None:
    wrong = psycopg.conninfo.make_conninfo(server.conninfo("gonogo", "app"), password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(wrong)


def test_the_socket_is_private_and_its_path_short(server: EmbeddedPostgres) -> None:
    folder = Path(psycopg.conninfo.conninfo_to_dict(server.conninfo())["host"] or "")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(str(folder)) < 80


def test_the_url_is_sqlalchemys(server: EmbeddedPostgres) -> None:
    url = server.url("gonogo", "owner")
    assert url.startswith("postgresql+psycopg://owner:")
    assert "@/gonogo?host=" in url


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_data_and_url_outlive_it(lines: EmbeddedPostgres, how: str) -> None:
    insert(lines)
    before, url = count(lines), lines.url()
    getattr(lines, how)()
    if how == "kill":
        assert lines.has_died
        started = time.monotonic()
        lines.start()
        assert time.monotonic() - started < 8
    assert (count(lines), lines.url()) == (before, url)


def test_busy_backends_of_a_killed_one_do_not_block_the_next(lines: EmbeddedPostgres) -> None:
    with psycopg.connect(lines.conninfo("gonogo", "app")) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)  # it cannot notice that its postmaster is gone
        lines.kill()
        assert backend in Leftovers(lines.ground).pids()
        lines.start()
        assert backend not in Leftovers(lines.ground).pids()
    insert(lines)


def test_a_stale_pid_of_somebody_else_is_ignored(lines: EmbeddedPostgres) -> None:
    bystander = subprocess.Popen(["sleep", "60"], cwd="/")
    try:
        lines.kill()
        (lines.ground.cluster / "postmaster.pid").write_text(
            f"{bystander.pid}\n{lines.ground.cluster}\n0\n5432\n\n\n\nready\n"
        )
        lines.start()
        assert bystander.poll() is None
        insert(lines)
    finally:
        bystander.kill()
        bystander.wait()


def test_one_supervisor_at_a_time(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    second = EmbeddedPostgres(server.data_dir, fast=True)
    monkeypatch.setattr("app.rehearsal.postgres.LOCK_PATIENCE", 0.2)
    with pytest.raises(AlreadyLocked):
        second.start()
    assert server.is_running


def test_templates_are_cloned_and_dropped(lines: EmbeddedPostgres) -> None:
    lines.create_database("clone", template="gonogo")
    assert lines.execute("select count(*) >= 0 from line", "clone") == [(True,)]
    lines.drop_database("clone")
    lines.drop_database("clone")
    with pytest.raises(psycopg.OperationalError):
        lines.execute("select 1", "clone")


def test_pg_bin_must_hold_postgres(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    with pytest.raises(NoPostgres, match="PG_BIN"):
        EmbeddedPostgres(tmp_path / "data").start()


def test_it_ends_when_its_supervisor_is_killed_and_starts_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-m", "app.rehearsal.postgres", str(data), "--fast"]
    supervisor = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline().startswith("postgresql+psycopg://app:")
    supervisor.kill()
    supervisor.wait()
    deadline = time.monotonic() + 6
    while Leftovers(find_ground(data)).pids() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert Leftovers(find_ground(data)).pids() == []
    again = EmbeddedPostgres(data, fast=True)
    again.start()
    assert again.execute("select 1") == [(1,)]
    again.stop()
    assert not again.has_died
    supervisor.stdout.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user")
def test_root_without_user_namespaces_runs_it_as_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.rehearsal.ground._allows_namespaces", lambda: False)
    stage = Path(f"/var/lib/gonogo-test-{os.getpid()}")
    monkeypatch.setattr("app.rehearsal.ground.STAGE", stage)
    server = EmbeddedPostgres(tmp_path / "data", fast=True)
    try:
        server.start()
        pid = server.pid or 0
        assert Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        server.create_database("gonogo")
        assert pid in Leftovers(server.ground).pids()
        server.kill()
        server.start()
        assert server.execute("select 1", "gonogo") == [(1,)]
        server.stop()
        assert Leftovers(server.ground).pids() == []
        shutil.rmtree(tmp_path / "data")
        again = EmbeddedPostgres(tmp_path / "data", fast=True)
        again.start()
        assert again.execute("select 1 from pg_database where datname = 'gonogo'") == []
        again.stop()
    finally:
        server.stop()
        shutil.rmtree(stage, ignore_errors=True)
