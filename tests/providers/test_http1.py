"""The HTTP/1.1 connection of the probes, against servers that answer byte by byte as told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from app.http1 import Connection, NoAnswer, Origin

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(*answers: bytes, close: bool = False) -> AsyncIterator[tuple[Origin, list[bytes]]]:
    """Answers the n-th request with the n-th of `answers`; closes after the last one if told to."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        if not close:
            await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield Origin("http", "127.0.0.1", port), heads


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Who: GREEN\r\n\r\nhi"


async def test_a_kept_connection_carries_many_requests() -> None:
    async with server(OK, OK, OK) as (origin, heads):
        connection = await Connection.open(origin)
        for _ in range(3):
            answer = await connection.request("GET", "/who", headers={"Accept": "*/*"})
            assert (answer.status, answer.headers["x-who"], answer.body) == (200, "GREEN", b"hi")
            assert connection.is_usable
        connection.close()
    assert heads[0].startswith(b"GET /who HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Accept: */*\r\n" in heads[0]


async def test_chunks_are_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n ho\r\n0\r\n\r\n"
    async with server(chunked, chunked) as (origin, _):
        connection = await Connection.open(origin)
        for _ in range(2):
            assert (await connection.request("GET", "/")).body == b"hi ho"
        connection.close()


async def test_a_body_without_length_ends_with_the_connection() -> None:
    async with server(b"HTTP/1.1 200 OK\r\n\r\nto the end", close=True) as (origin, _):
        connection = await Connection.open(origin)
        assert (await connection.request("GET", "/")).body == b"to the end"
        assert not connection.is_usable


async def test_head_has_no_body() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n") as (origin, _):
        connection = await Connection.open(origin)
        async with asyncio.timeout(2):
            answer = await connection.request("HEAD", "/")
        assert (answer.status, answer.body) == (200, b"")
        connection.close()


async def test_close_is_obeyed() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi") as (origin, _):
        connection = await Connection.open(origin)
        assert (await connection.request("GET", "/")).body == b"hi"
        assert not connection.is_usable
        connection.close()


async def test_a_large_body_is_cut() -> None:
    body = b"x" * 300_000
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body, OK) as (origin, _):
        connection = await Connection.open(origin)
        answer = await connection.request("GET", "/", body_limit=1000)
        assert len(answer.body) == 1000
        assert (await connection.request("GET", "/")).body == b"hi"
        connection.close()


@pytest.mark.parametrize(
    "half", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"SMTP ready\r\n\r\n"]
)
async def test_half_an_answer_is_no_answer(half: bytes) -> None:
    async with server(half, close=True) as (origin, _):
        connection = await Connection.open(origin)
        with pytest.raises(NoAnswer):
            await connection.request("GET", "/")
        assert not connection.is_usable
        with pytest.raises(NoAnswer):
            await connection.request("GET", "/")
        connection.close()


async def test_a_deadline_makes_the_connection_unusable() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") as (origin, _):
        connection = await Connection.open(origin)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.request("GET", "/")
        assert not connection.is_usable


async def test_a_request_cannot_be_split_by_its_path() -> None:
    async with server(OK) as (origin, _):
        connection = await Connection.open(origin)
        with pytest.raises(ValueError, match="line"):
            await connection.request("GET", "/\r\nX-Evil: 1")
        connection.close()


def test_origins() -> None:
    assert Origin.of("http://a.example/base/") == Origin("http", "a.example", 80, "/base")
    assert Origin.of("https://a.example:8443").authority == "a.example:8443"
    assert Origin.of("https://[::1]").authority == "[::1]"
    for wrong in ("ftp://a.example", "http://", "a.example"):
        with pytest.raises(ValueError, match="not an http"):
            Origin.of(wrong)
