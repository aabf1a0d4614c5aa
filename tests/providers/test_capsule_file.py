"""Capsules and spools on a real disk: whole or not there, private, signed, and with room of their own."""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import on_disk
from app.domain.card import card_text
from app.domain.spool import SpoolDamaged
from app.providers.capsule_file import CapsuleFolder, CapsuleRefused, capsule_key
from app.providers.pinned_names import pinned
from app.providers.spool_file import RESERVED, ROOM, SpoolFolder, is_written_still, read_spool
from tests.orchestrator.test_break_glass import order

KEY = capsule_key(b"s" * 32)


@pytest.fixture
def capsules(tmp_path: Path) -> CapsuleFolder:
    return CapsuleFolder(tmp_path / "capsules")


@pytest.fixture
def spools(tmp_path: Path) -> SpoolFolder:
    return SpoolFolder(tmp_path / "break-glass")


def test_what_was_put_is_opened(capsules: CapsuleFolder) -> None:
    put = order(addresses={"lb.example": ("192.0.2.1",)})
    capsules.put(put, card_text(put), KEY)
    assert capsules.open("production", KEY) == put
    assert capsules.targets() == ("production",)
    assert capsules.key() == KEY


def test_only_the_owner_can_read_any_of_it(capsules: CapsuleFolder, spools: SpoolFolder) -> None:
    capsules.put(order(), "card", KEY)
    spools.reserve()
    spools.begin(KEY).close()
    assert stat.S_IMODE(capsules.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(spools.folder.stat().st_mode) == 0o700
    for path in [*capsules.folder.iterdir(), *spools.folder.iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("field", ["target", "block", "binding", "expires_at"])
def test_a_changed_capsule_is_refused(capsules: CapsuleFolder, field: str) -> None:
    capsules.put(order(), "card", KEY)
    path = capsules.folder / "production.json"
    sealed = json.loads(path.read_text())
    sealed["order"][field] = 9000 if field == "block" else "2099-01-01T00:00:00Z"
    path.write_text(json.dumps(sealed))
    with pytest.raises(CapsuleRefused, match="signature"):
        capsules.open("production", KEY)


def test_another_installations_and_half_a_capsule_are_refused(capsules: CapsuleFolder) -> None:
    capsules.put(order(), "card", capsule_key(b"another" * 8))
    with pytest.raises(CapsuleRefused, match="signature"):
        capsules.open("production", KEY)
    path = capsules.folder / "production.json"
    path.write_text(path.read_text()[:200])
    with pytest.raises(CapsuleRefused, match="damaged"):
        capsules.open("production", KEY)


def test_the_key_of_capsules_is_not_the_secret_nor_made_from_another() -> None:
    assert capsule_key(b"s" * 32) != b"s" * 32
    assert capsule_key(b"s" * 32) != capsule_key(b"t" * 32)


def test_disarming_takes_capsule_and_card_away(capsules: CapsuleFolder) -> None:
    capsules.put(order(), "card", KEY)
    capsules.put(order(target="staging"), "card", KEY)
    capsules.remove_all_but(frozenset({"staging"}))
    assert sorted(path.name for path in capsules.folder.iterdir()) == ["key", "staging.json", "staging.txt"]


def test_a_capsule_without_room_leaves_the_old_one(capsules: CapsuleFolder) -> None:
    """A limit of this process's files stands for the full disk: in both cases the write itself fails."""
    old = order(block=1000)
    capsules.put(old, "card", KEY)
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from app.providers.capsule_file import CapsuleFolder\n"
        "from tests.orchestrator.test_break_glass import order\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "try: CapsuleFolder(Path(sys.argv[1])).put(order(block=2000), 'card', bytes.fromhex(sys.argv[2]))\n"
        "except OSError as problem: print(problem.strerror)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", script, str(capsules.folder), KEY.hex()]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert said.stdout.strip() == "File too large"
    assert capsules.open("production", KEY) == old
    assert sorted(path.name for path in capsules.folder.iterdir()) == ["key", "production.json", "production.txt"]


def test_the_card_names_the_command_the_epoch_and_what_is_not_undone() -> None:
    text = card_text(
        order(not_undone=("Payments already made",), binding={"provider": "agent", "public_url": "http://x"})
    )
    assert "gonogo rollback-now --target production" in text
    assert "epoch 1999" in text
    assert "Payments already made" in text
    assert "http://x must answer as 0.9.4" in text


# ── spool ───────────────────────────────────────────────────────────────────


def test_lines_are_read_while_they_are_written_and_after(spools: SpoolFolder) -> None:
    spools.reserve()
    spool = spools.begin(KEY)
    assert not (spools.folder / RESERVED).exists()
    assert spool.write("begin", "first", who="dana")
    assert spool.path.stat().st_size == ROOM
    assert [line.text for line in read_spool(spool.path, KEY)] == ["first"]
    assert is_written_still(spool.path)
    assert spool.write("end", "second", code=0)
    spool.close()
    assert not is_written_still(spool.path)
    assert spool.path.stat().st_size < 1000
    assert [(line.seq, line.what, dict(line.detail)) for line in read_spool(spool.path, KEY)] == [
        (1, "begin", {"who": "dana"}),
        (2, "end", {"code": 0}),
    ]
    assert spools.runs() == [spool.path]


def test_no_words_keep_a_rollback_from_being_recorded(spools: SpoolFolder) -> None:
    """A reason typed in another encoding comes as halves of characters; a long one must leave room for what follows."""
    spools.reserve()
    spool = spools.begin(KEY)
    assert spool.write("begin", "Geb\udcfchr", reason="Geb\udcfchr" + "x" * 300_000, epoch=1)
    assert spool.write("end", "over")
    spool.close()
    lines = read_spool(spool.path, KEY)
    assert [line.text for line in lines] == ["Geb?hr", "over"]
    assert lines[0].detail["reason"].startswith("Geb?hrxxx")
    assert spool.path.stat().st_size < ROOM


def test_reserved_room_is_written_not_only_promised(spools: SpoolFolder) -> None:
    spools.reserve()
    found = (spools.folder / RESERVED).stat()
    assert found.st_size == ROOM
    assert found.st_blocks * 512 >= ROOM


def test_a_line_that_was_cut_off_does_not_count(spools: SpoolFolder) -> None:
    spool = spools.begin(KEY)
    spool.write("begin", "first")
    spool.write("intent", "second")
    spool.close()
    spool.path.write_bytes(spool.path.read_bytes()[:-5])
    assert [line.what for line in read_spool(spool.path, KEY)] == ["begin"]


def test_a_changed_spool_is_refused(spools: SpoolFolder) -> None:
    spool = spools.begin(KEY)
    spool.write("begin", "dana")
    spool.close()
    spool.path.write_text(spool.path.read_text().replace("dana", "nobody"))
    with pytest.raises(SpoolDamaged):
        read_spool(spool.path, KEY)


def test_a_spool_that_cannot_be_made_says_so_and_lets_the_rollback_go_on(tmp_path: Path) -> None:
    blocked = tmp_path / "break-glass"
    blocked.write_text("a file where the folder should be")
    spool = SpoolFolder(blocked).begin(KEY)
    assert not spool.write("begin", "first")
    assert not spool.is_kept
    assert spool.problem
    spool.close()


def test_it_is_put_away_once(spools: SpoolFolder) -> None:
    spool = spools.begin(KEY)
    spool.write("begin", "first")
    spool.close()
    spools.put_away(spool.path)
    spools.put_away(spool.path)
    assert spools.runs() == []
    assert (spools.folder / "taken-in" / spool.path.name).exists()


# ── names and settings ──────────────────────────────────────────────────────


def test_a_pinned_name_needs_no_name_service() -> None:
    with pytest.raises(OSError, match=r"."):
        socket.getaddrinfo("balancer.invalid", 80)
    with pinned({"balancer.invalid": ("192.0.2.7", "2001:db8::7")}):
        found = socket.getaddrinfo("balancer.invalid", 80, type=socket.SOCK_STREAM)
        assert [entry[4][:2] for entry in found] == [("192.0.2.7", 80), ("2001:db8::7", 80)]
        assert socket.getaddrinfo("127.0.0.1", 80)
    with pytest.raises(OSError, match=r"."):
        socket.getaddrinfo("balancer.invalid", 80)


def test_reading_from_disk_makes_no_secret(tmp_path: Path) -> None:
    assert on_disk(tmp_path, {}).secret is None
    assert list(tmp_path.iterdir()) == []
    assert on_disk(None, {"GONOGO_DATA": str(tmp_path), "GONOGO_SECRET": "s" * 32}).secret == b"s" * 32
    (tmp_path / "secret").write_bytes(b"d" * 32)
    assert on_disk(tmp_path, {}).secret == b"d" * 32
