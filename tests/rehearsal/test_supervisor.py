"""The supervisor: everything starts, comes back when it dies, and ends together, however the end comes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from app.rehearsal import orphans
from app.rehearsal.leftovers import Leftovers
from app.rehearsal.supervisor import Installation, StartFailed, answers

pytestmark = pytest.mark.range

ROOT = Path(__file__).resolve().parents[2]
UP = """
import pathlib, sys
from app.rehearsal.up import up
sys.exit(up(pathlib.Path(sys.argv[1]), int(sys.argv[2])))
"""


def until(condition: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("an installation") / ".gonogo"
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 22000))
        busy.listen()
        installation = Installation(folder, base_port=22000, web=False, fast_database=True, say=lines.append)
        installation.start()
    yield installation
    installation.stop()
    assert orphans.pids(installation.data_dir) == []


def test_a_taken_port_is_said(installation: Installation, lines: list[str]) -> None:
    assert installation.ports.web == 22001
    assert "port        22000 is taken by somebody else; this one uses 22001" in lines


def test_the_site_binds_production(installation: Installation) -> None:
    site = YAML(typ="safe").load(installation.site_file)
    production = site["targets"]["production"]
    assert (site["kind"], production["provider"]) == ("range", "agent")
    assert production["public_url"] == installation.public_url
    assert Path(production["agent_token_file"]).exists()
    assert Path(site["range"]["token_file"]).exists()
    assert installation.data_dir.stat().st_mode & 0o777 == 0o700


def test_the_owners_password_goes_to_nobody(installation: Installation) -> None:
    owner = installation.postgres.url("gonogo", "owner").encode()
    for pid in orphans.pids(installation.data_dir):
        assert owner not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_killed_worker_is_replaced_at_once(installation: Installation) -> None:
    assert until(lambda: installation.worker_pid(2) is not None, 5)
    old = installation.kill_worker(2)
    assert until(lambda: installation.worker_pid(2) not in (None, old), 2)
    assert installation.worker_pid(1) is not None


def test_a_killed_postgres_comes_back(installation: Installation) -> None:
    installation.postgres.kill()
    assert until(lambda: installation.postgres.is_running and not installation.postgres.has_died, 10)
    assert installation.postgres.execute("select 1", "gonogo") == [(1,)]


def test_a_killed_range_comes_back(installation: Installation) -> None:
    ready = answers(f"http://127.0.0.1:{installation.ports.control}/healthz")
    assert ready()
    installation.kill_range()
    assert not ready()
    assert until(ready, 60)
    assert until(answers(installation.public_url), 10)


def test_a_second_one_in_the_same_folder_is_refused(installation: Installation) -> None:
    second = Installation(installation.data_dir, base_port=22100, quiet=True, web=False, workers=0)
    with pytest.raises(StartFailed, match="It runs already"):
        second.start()
    assert installation.postgres.is_running


def test_a_failed_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.rehearsal.supervisor.MIGRATE", "raise SystemExit('the schema is in the way')")
    installation = Installation(tmp_path / "data", base_port=22200, quiet=True, web=False, fast_database=True)
    with pytest.raises(StartFailed, match="the schema is in the way"):
        installation.start()
    assert orphans.pids(installation.data_dir) == []
    assert not installation.postgres.is_running


@contextlib.contextmanager
def running_up(data: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """`gonogo up` in a process of its own, ready; what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", UP, str(data), str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    printed: list[str] = []
    try:
        for line in process.stdout:
            printed.append(line)
            if "Ctrl-C stops" in line:
                break
        yield process, printed
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def all_gone(data: Path, installation: Installation) -> bool:
    return not orphans.pids(data) and not Leftovers(installation.postgres.ground).pids()


@pytest.mark.timeout(300)
def test_up_ends_by_signal_and_survives_kill_9(tmp_path: Path) -> None:
    data = (tmp_path / "data of up").resolve()
    installation = Installation(data)
    with running_up(data, 22300) as (process, printed):
        assert any("Open      http://127.0.0.1:22300" in line for line in printed), "".join(printed)
        assert any("choose a person" in line for line in printed)
        assert len(orphans.pids(data)) >= 8
        process.kill()
        assert until(lambda: all_gone(data, installation), 8)
    with running_up(data, 22300) as (process, printed):
        assert any("22300" in line for line in printed), "".join(printed)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
        assert all_gone(data, installation)
