"""Answers in AWS's XML, where the front answers by itself."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

TEXT = "text/xml"
_PHRASES = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is WSGI's ("200 OK")."""

    status: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        return self.status.startswith("2")


class Refusal(Exception):
    """What AWS refuses and a simulated one would take."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def xml(text: str, status: int = 200) -> Answer:
    body = text.encode()
    return Answer(
        f"{status} {_PHRASES.get(status, 'Error')}",
        [("Content-Type", TEXT), ("Content-Length", str(len(body)))],
        body,
    )


def error(code: str, message: str, status: int) -> Answer:
    kind = "Sender" if status < 500 else "Receiver"
    return xml(
        f"<ErrorResponse><Error><Type>{kind}</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>",
        status,
    )


def result(operation: str, inner: str) -> Answer:
    """A success of the query protocol."""
    return xml(f"<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>")


def listed(name: str, items: Iterable[str]) -> str:
    return f"<{name}>{''.join(f'<member>{item}</member>' for item in items)}</{name}>"


def dripping(body: bytes, wait: float) -> Iterator[bytes]:
    for byte in body:
        time.sleep(wait)
        yield bytes((byte,))
