"""A gateway between a provider and what it steers: it passes calls on, and answers some writes with a status of its own
and a page of its own, as gateways do."""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

IsWrite = Callable[[str, bytes], bool]
"""Of a request's method and body."""
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass
class Gateway:
    """`status` 0: every answer comes through. Else each write is answered with it, after it was passed on; with 503
    nothing is passed on. `writes` counts what was passed on."""

    url: str
    upstream: str
    is_write: IsWrite
    status: int = 0
    writes: int = 0


@contextlib.contextmanager
def gateway(upstream: str, is_write: IsWrite) -> Iterator[Gateway]:
    """In front of `upstream` ("http://127.0.0.1:1234"), for as long as the context lasts."""
    parts = urlsplit(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            is_write = here.is_write(self.command, body)
            if here.status and is_write:
                if here.status != 503:
                    here.writes += 1
                    self._ask(body)
                page = f"<html><body><h1>{here.status} from the gateway</h1></body></html>".encode()
                self._say(here.status, {"content-type": "text/html"}, page)
                return
            here.writes += is_write
            self._say(*self._ask(body))

        do_GET = do_PUT = do_POST = _pass  # noqa: N815

        def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=5)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            found = answer.status, dict(answer.getheaders()), answer.read()
            connection.close()
            return found

        def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Gateway(f"http://127.0.0.1:{server.server_port}", upstream, is_write)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield here
    server.shutdown()
    server.server_close()
