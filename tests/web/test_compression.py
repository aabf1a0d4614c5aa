"""Answers compressed as the browser reads them, style sheets and scripts lean, and nothing changed by either."""

import gzip
import re
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from app.config import ROOT
from app.web.compression import LARGEST, SMALLEST, CompressionMiddleware
from app.web.lean import lean_css, lean_script
from app.web.static_files import StaticFiles

LONG = "Nothing moved. " * 200
STATIC = ROOT / "static"


async def get(answer: Response, accept: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=CompressionMiddleware(answer))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://gonogo.test") as client,
        client.stream("GET", "/", headers={"accept-encoding": accept}) as response,
    ):
        raw = b"".join([piece async for piece in response.aiter_raw()])
        return httpx.Response(response.status_code, headers=response.headers, extensions={"raw": raw})


@pytest.mark.parametrize(
    ("accept", "way", "unpack"),
    [("gzip, deflate, br, zstd", "br", brotli.decompress), ("gzip", "gzip", gzip.decompress)],
)
async def test_a_page_goes_the_smallest_way_the_browser_reads(accept: str, way: str, unpack: Any) -> None:
    found = await get(PlainTextResponse(LONG), accept)
    raw: bytes = found.extensions["raw"]
    assert found.headers["content-encoding"] == way
    assert found.headers["content-length"] == str(len(raw))
    assert found.headers["vary"] == "accept-encoding"
    assert unpack(raw).decode() == LONG
    assert len(raw) < len(LONG) / 10


@pytest.mark.parametrize(
    ("answer", "accept"),
    [
        (PlainTextResponse(LONG), "identity"),
        (PlainTextResponse("x" * (SMALLEST - 1)), "br"),
        (PlainTextResponse("x" * (LARGEST + 1)), "br"),
        (Response(LONG.encode(), media_type="font/woff2"), "br"),
        (PlainTextResponse(LONG, headers={"content-encoding": "br"}), "br"),
        (StreamingResponse(iter([LONG, LONG]), media_type="text/event-stream"), "br"),
        (StreamingResponse(iter([LONG, LONG]), media_type="text/plain"), "br"),
        (Response(status_code=204), "br"),
    ],
    ids=["not read", "small", "large", "font", "packed already", "stream", "in parts", "empty"],
)
async def test_what_is_left_as_it_is(answer: Response, accept: str) -> None:
    plain = b"" if answer.status_code == 204 else getattr(answer, "body", (LONG * 2).encode())
    found = await get(answer, accept)
    assert found.extensions["raw"] == plain
    assert found.headers.get("content-encoding") == answer.headers.get("content-encoding")


def tokens(text: str) -> str:
    return re.sub(r"\s+", "", re.sub(r"/\*.*?\*/", "", text, flags=re.S)).replace(";}", "}")


@pytest.mark.parametrize("path", sorted((STATIC / "css").glob("*.css")), ids=lambda path: path.stem)
def test_a_lean_style_sheet_says_the_same(path: Path) -> None:
    text = path.read_text()
    assert tokens(lean_css(text)) == tokens(text)
    strings = r'"[^"\n]*"'
    assert re.findall(strings, lean_css(text)) == re.findall(strings, re.sub(r"/\*.*?\*/", "", text, flags=re.S))


def code_of(text: str) -> list[str]:
    """The lines of a script that do something."""
    lines: list[str] = []
    is_comment = False
    for line in filter(None, map(str.strip, text.splitlines())):
        is_comment = is_comment or line.startswith("/**")
        if not is_comment and not line.startswith("//"):
            lines.append(line)
        is_comment = is_comment and "*/" not in line
    return lines


@pytest.mark.parametrize("path", sorted((STATIC / "js").glob("*.js")), ids=lambda path: path.stem)
def test_a_lean_script_has_all_its_lines(path: Path) -> None:
    text = path.read_text()
    assert all(line.count("`") % 2 == 0 for line in text.splitlines()), "a text over several lines"
    assert list(filter(None, lean_script(text).splitlines())) == code_of(text)


async def test_static_files_come_lean_and_packed_once() -> None:
    static = StaticFiles()
    transport = httpx.ASGITransport(app=static)
    async with httpx.AsyncClient(transport=transport, base_url="http://gonogo.test") as client:
        answer = await client.get(static.url("css/base.css"), headers={"accept-encoding": "br"})
        assert answer.headers["content-encoding"] == "br"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.text == lean_css((STATIC / "css" / "base.css").read_text())
        vendored = await client.get(static.url("vendor/htmx/htmx.min.js"), headers={"accept-encoding": "br"})
        assert vendored.content == (STATIC / "vendor/htmx/htmx.min.js").read_bytes()
