"""Static files under a fingerprint: /static/<fingerprint>/css/base.css, cached for a year, made lean and compressed
once a process.

The fingerprint is that of the whole folder, so that relative imports of scripts, fonts and style sheets keep it.
"""

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import brotli
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from app.config import ROOT
from app.web.lean import lean_css, lean_script

STATIC = ROOT / "static"
_COMPRESSIBLE = (".css", ".js", ".svg", ".json", ".html")
_TYPES = {".woff2": "font/woff2", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_A_YEAR = "public, max-age=31536000, immutable"
_QUALITY = 11
"""Brotli's highest: half a second for the whole folder, once a process, for every first visit after it."""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    compressed: bytes | None
    media_type: str


class StaticFiles:
    """Reads the folder once a process. `live` (development) reads each file again at each request."""

    def __init__(self, folder: Path = STATIC, *, live: bool = False) -> None:
        self._folder = folder
        self._live = live
        self._files = {path: self._load(path) for path in self._paths()}
        digest = hashlib.sha256()
        for name in sorted(self._files):
            digest.update(name.encode() + b"\0" + self._files[name].body)
        self.fingerprint = digest.hexdigest()[:12]

    def url(self, path: str) -> str:
        """The URL of `css/base.css`. Raises KeyError for a file that is not there, so that a page never links one."""
        if path not in self._files and not (self._folder / path).is_file():
            raise KeyError(f"static/{path} does not exist")
        return f"/static/{self.fingerprint}/{path}"

    def served_bytes(self, path: str) -> int:
        """The size of a file as a browser gets it, without headers."""
        file = self._files[path]
        return len(file.body if file.compressed is None else file.compressed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, _, path = str(scope["path"]).partition("/static/")
        fingerprint, _, name = path.partition("/")
        known = self._files.get(name)
        if known is None:
            response: Response = PlainTextResponse("There is no such file.", status_code=404)
        else:
            file = self._load(name) if self._live else known
            response = self._answer(file, Headers(scope=scope), is_current=fingerprint == self.fingerprint)
        await response(scope, receive, send)

    def _answer(self, file: _File, headers: Headers, *, is_current: bool) -> Response:
        caching = _A_YEAR if is_current and not self._live else "no-cache"
        if file.compressed is not None and "br" in headers.get("accept-encoding", ""):
            extra = {"content-encoding": "br", "vary": "accept-encoding", "cache-control": caching}
            return Response(file.compressed, media_type=file.media_type, headers=extra)
        return Response(file.body, media_type=file.media_type, headers={"cache-control": caching})

    def _paths(self) -> list[str]:
        return [str(path.relative_to(self._folder)) for path in self._folder.rglob("*") if path.is_file()]

    def _load(self, name: str) -> _File:
        path = self._folder / name
        body = path.read_bytes()
        if "vendor" not in path.parts:
            body = _lean(body, path.suffix)
        compressed = _compressed(body) if path.suffix in _COMPRESSIBLE else None
        media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return _File(body, compressed, media_type)


def _lean(body: bytes, suffix: str) -> bytes:
    match suffix:
        case ".css":
            return lean_css(body.decode()).encode()
        case ".js":
            return lean_script(body.decode()).encode()
        case _:
            return body


@lru_cache(maxsize=256)
def _compressed(body: bytes) -> bytes:
    packed: bytes = brotli.compress(body, quality=_QUALITY)
    return packed


@lru_cache(maxsize=1)
def static_files() -> StaticFiles:
    """The folder as this process serves it, read once."""
    return StaticFiles()
