"""What HAProxy's runtime API says, read strictly: anything unexpected is no answer."""

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.ports.traffic import ProviderError
from app.providers.haproxy.mark import Mark

NO_VARIABLE = "Variable not found."
FOR_GOOD = ("No such", "Permission denied", "static LB algorithm", "Unknown command", "experimental mode", "Absolute")
"""In a refusal: trying again cannot help."""


@dataclass(frozen=True, slots=True)
class Server:
    """A line of `show servers state`. `weight` is the one set at run time, before any slow start."""

    backend: str
    name: str
    place: str
    weight: int
    is_withdrawn: bool
    """In maintenance or draining: its weight moves nobody there."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of `show stat`: a server, or BACKEND for the whole."""

    backend: str
    name: str
    status: str
    check: str
    cookie: str
    algorithm: str
    is_backup: bool

    @property
    def is_checked(self) -> bool:
        return self.status != "no check"

    @property
    def is_up(self) -> bool:
        """Up by HAProxy's own check. `UP 1/3` is on its way down and still served; INI was never checked."""
        return self.status.startswith("UP") and self.check.strip("* ") not in ("", "INI")

    def is_server(self, backend: str, named: Collection[str]) -> bool:
        return self.backend == backend and self.name in named


def refusal(answer: str) -> str:
    """What HAProxy had against commands that answer nothing when they succeed; empty if nothing."""
    return " ".join(line.strip() for line in answer.splitlines() if line.strip())


def is_for_good(refused: str) -> bool:
    return any(part in refused for part in FOR_GOOD)


def mark(answer: str, variable: str) -> Mark:
    """From the answer to `get var`; of epoch 0 where it is not set. Raises ProviderError."""
    found = re.search(rf"^{re.escape(variable)}: type=sint value=<(\d+)>$", answer, re.MULTILINE)
    if found:
        return Mark.of(int(found[1]))
    if NO_VARIABLE in answer:
        return Mark()
    raise ProviderError(f"HAProxy did not tell {variable}: {_start(answer)}", permanent=is_for_good(answer))


def servers(answer: str) -> tuple[Server, ...]:
    """All servers in the answers to `show servers state`. Raises ProviderError."""
    found: list[Server] = []
    columns: list[str] = []
    for line in answer.splitlines():
        if line.startswith("# be_id"):
            columns = line[2:].split()
        elif columns and len(line.split()) == len(columns):
            found.append(_server(dict(zip(columns, line.split(), strict=True)), line))
    if not columns:
        raise ProviderError(f"HAProxy did not tell its servers: {_start(answer)}", permanent=is_for_good(answer))
    return tuple(found)


def statistics(answer: str) -> tuple[Line, ...]:
    """The lines of `show stat`. Raises ProviderError."""
    start = answer.find("# pxname,")
    if start < 0:
        raise ProviderError(f"HAProxy did not tell its statistics: {_start(answer)}")
    rows = csv.DictReader(answer[start + 2 :].splitlines())
    return tuple(_line(row) for row in rows if row.get("svname"))


def stick_tables(answer: str) -> tuple[str, ...]:
    """The names in the answer to `show table`."""
    return tuple(re.findall(r"^# table: ([^,\s]+), type:", answer, re.MULTILINE))


def _server(row: dict[str, str], line: str) -> Server:
    try:
        host = row["srv_addr"] if row.get("srv_fqdn", "-") == "-" else row["srv_fqdn"]
        return Server(
            backend=row["be_name"],
            name=row["srv_name"],
            place=f"{host}:{row['srv_port']}",
            weight=int(row["srv_uweight"]),
            is_withdrawn=row["srv_admin_state"] != "0",
        )
    except (KeyError, ValueError) as problem:
        raise ProviderError(f"HAProxy told something else than a server's state: {line[:100]!r}") from problem


def _line(row: dict[str, str]) -> Line:
    return Line(
        backend=row["pxname"],
        name=row["svname"],
        status=row["status"],
        check=row.get("check_status", ""),
        cookie=row.get("cookie", ""),
        algorithm=row.get("algo", ""),
        is_backup=row.get("bck") == "1" and row["svname"] not in ("BACKEND", "FRONTEND"),
    )


def _start(answer: str) -> str:
    return repr(answer[:160])


def names(found: Sequence[str], most: int = 4) -> str:
    """For people: the first few, and how many more."""
    more = len(found) - most
    return ", ".join(found[:most]) + (f" and {more} more" if more > 0 else "")
