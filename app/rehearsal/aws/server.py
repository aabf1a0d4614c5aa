"""moto and its front, served by werkzeug's threads."""

import logging
import threading
from collections.abc import Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from app.rehearsal.aws.front import Application, Applied, Front


class _Handler(WSGIRequestHandler):
    """Keeps connections, and no log of each request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, *_: Any) -> None:
        return None

    def connection_dropped(self, *_: Any) -> None:
        self.close_connection = True

    def finish(self) -> None:
        """A connection that a fault has reset has nothing left to be flushed or shut down."""
        try:
            super().finish()
        except (OSError, ValueError):
            logging.getLogger("aws").debug("a reset connection ended")


def make_front(keys: Iterable[str], token: str, *, after: Applied, dns_ms: int = 1500) -> Front:
    return Front(DomainDispatcherApplication(create_backend_app), keys, token, after=after, dns_ms=dns_ms)


class Door:
    """A port of loopback (0: any) on which an application is served, by threads that end with the process."""

    def __init__(self, front: Application, port: int = 0) -> None:
        self._server = make_server("127.0.0.1", port, front, threaded=True, request_handler=_Handler)
        # It is threaded, so it has both; the declared type is the one without threads.
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._server.block_on_close = False  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, name="aws", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Door":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
