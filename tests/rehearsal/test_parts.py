"""Small parts of the range, by themselves."""

import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.domain.sides import Weights
from app.rehearsal.knobs import Knobs
from app.rehearsal.ledger import REMEMBERED, Failure, Ledger
from app.rehearsal.ports import Reservation
from app.rehearsal.weights_file import WeightsFile


def test_every_percentage_survives_the_file(tmp_path: Path) -> None:
    file = WeightsFile(tmp_path)
    file.make()
    assert (file.read(), file.read_epoch()) == (Weights(100, 0), 0)
    for green in range(101):
        file.write(Weights(100 - green, green), green)
        assert (file.read(), file.read_epoch()) == (Weights(100 - green, green), green)
    file.make()
    assert file.read_epoch() == 100


def test_thresholds_compare_as_text(tmp_path: Path) -> None:
    file, thresholds = WeightsFile(tmp_path), []
    for green in range(101):
        file.write(Weights(100 - green, green), 0)
        thresholds.append((tmp_path / "weight.green").read_text())
    assert thresholds == sorted(thresholds)
    assert not thresholds[0] > "00000000"
    assert thresholds[100] > "ffffffff"


def test_knobs_change_in_part() -> None:
    knobs = Knobs().changed_by({"green": {"latency_ms": 800}})
    assert (knobs.green.latency_ms, knobs.blue.latency_ms) == (800, 0)
    again = knobs.changed_by({"green": {"failure_percent": 3}})
    assert (again.green.latency_ms, again.green.failure_percent) == (800, 3)
    for wrong in ({"green": {"latency_ms": -1}}, {"yellow": {}}, {"green": {"speed": 1}}, {"green": 3}):
        with pytest.raises(ValidationError):
            knobs.changed_by(wrong)


def test_the_ledger_keeps_the_newest_failures() -> None:
    ledger = Ledger()
    for number in range(REMEMBERED + 5):
        ledger.sent()
        ledger.fail(Failure.now("", f"/{number}", None, "refused", "new"))
    told = ledger.as_json()
    assert (told["requests"], told["failed"], told["failures_dropped"]) == (REMEMBERED + 5, REMEMBERED + 5, 5)
    failures = told["failures"]
    assert isinstance(failures, list)
    assert failures[0]["path"] == f"/{REMEMBERED + 4}"
    fewer = ledger.as_json(10)["failures"]
    assert isinstance(fewer, list)
    assert len(fewer) == 10


def test_the_ledger_knows_the_worst_answer() -> None:
    ledger = Ledger()
    for seconds in (0.02, 0.31, 0.1):
        ledger.answered("BLUE", seconds)
    assert ledger.as_json()["worst_ms"] == 310.0


def test_two_installations_get_different_ports(tmp_path: Path) -> None:
    first, second = Reservation(), Reservation()
    one = first.take_all(21500, tmp_path / "one.json")
    two = second.take_all(21500, tmp_path / "two.json")
    names = ("web", "public", "control", "blue", "green", "customers")
    assert len({getattr(ports, name) for ports in (one, two) for name in names}) == 12
    first.release()
    second.release()


def test_a_busy_port_is_passed_over_and_ports_are_remembered(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 21600))
        busy.listen()
        first = Reservation()
        ports = first.take_all(21600, tmp_path / "ports.json")
        assert ports.web == 21601
        first.release()
    second = Reservation()
    again = second.take_all(21600, tmp_path / "ports.json")
    assert (again.web, again.of_range) == (21600, ports.of_range)
    second.release()
