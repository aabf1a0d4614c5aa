"""What every answer carries and what no request may bring: headers, size, in pure ASGI because streams pass here."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 256 * 1024
"""Bytes of a form or a posting of readings."""
FILE_LIMIT = 1024 * 1024
"""Bytes of a form with an evidence file: more than a file may have (domain.evidence.LARGEST), so that one that is too
large is refused with its size."""
PLAN_LIMIT = 4 * 256 * 1024 + 64 * 1024
"""Bytes of a plan that is sent in: as many characters as its reader takes, at four bytes each, and the form around."""
_LARGER = {"/plans": PLAN_LIMIT, "/plans/check": PLAN_LIMIT}

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
PASSIVE_HEADERS = {name: HEADERS[name] for name in ("x-content-type-options", "cross-origin-resource-policy")}
"""Enough for what a page only takes in: the others govern documents and workers. Some 600 bytes less a file, of which
a first visit loads about thirty."""
_PASSIVE = (".css", ".woff2", ".js")
_HSTS = "max-age=31536000; includeSubDomains"


class _TooLarge(Exception):
    pass


def _limit(path: str) -> int:
    if path.startswith("/d/") and path.endswith("/files"):
        return FILE_LIMIT
    return _LARGER.get(path, BODY_LIMIT)


def _announced(scope: Scope) -> int:
    """The body's size as the request says it, 0 where it says none: then it is counted as it comes."""
    said = Headers(scope=scope).get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else 0


def _too_large(path: str) -> Response:
    text = f"The request is larger than {_limit(path) // 1024} KiB. Nothing was done."
    if not path.startswith("/api/"):
        return PlainTextResponse(text, status_code=413)
    problem = {"type": "urn:gonogo:problem:too_large", "title": "Too large", "status": 413, "detail": text}
    return JSONResponse({**problem, "code": "too_large"}, 413, media_type="application/problem+json")


class SecurityMiddleware:
    """Security headers on every answer, no-store on pages, and an end to bodies over the limit."""

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self._app = app
        self._tls = tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received, limit = 0, _limit(str(scope["path"]))
        started = is_too_large = False

        async def bounded() -> Message:
            nonlocal received, is_too_large
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    is_too_large = True
                    raise _TooLarge
            return message

        async def dressed(message: Message) -> None:
            nonlocal started
            if is_too_large and not started:
                return  # Whatever the application made of the broken body: the answer below says what it was.
            if message["type"] == "http.response.start":
                started = True
                self._dress(MutableHeaders(scope=message), str(scope["path"]))
            await send(message)

        if _announced(scope) > limit:
            await _too_large(str(scope["path"]))(scope, receive, dressed)
            return
        try:
            await self._app(scope, bounded, dressed)
        except _TooLarge:
            if started:
                raise
        if is_too_large and not started:
            is_too_large = False
            await _too_large(str(scope["path"]))(scope, receive, dressed)

    def _dress(self, headers: MutableHeaders, path: str) -> None:
        is_passive = path.startswith("/static/") and path.endswith(_PASSIVE) and not path.endswith("-worker.js")
        for name, value in (PASSIVE_HEADERS if is_passive else HEADERS).items():
            headers.setdefault(name, value)
        if not path.startswith("/static/"):
            headers.setdefault("cache-control", "no-store")
        if self._tls:
            headers.setdefault("strict-transport-security", _HSTS)
