"""Stands beside a monitoring system that cannot sign, and signs what it sends: `gonogo alerts forward`."""

import asyncio
import secrets
import time
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.providers.alert_hooks import sign

WITHIN_S = 10.0
LARGEST = 256 * 1024


def forwarder(to: str, secret_file: Path) -> Starlette:
    """An application that takes POSTs at `/` and passes them on, signed. What the other side answers is answered here;
    without an answer it is 502, and the sender tries again by its own rules."""

    async def forward(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return JSONResponse({"detail": "larger than 256 KiB"}, 413)
        try:
            secret = await asyncio.to_thread(secret_file.read_bytes)
            async with httpx.AsyncClient(timeout=WITHIN_S, trust_env=False) as client:
                answer = await client.post(to, content=body, headers=signed_headers(secret, body))
        except (httpx.HTTPError, OSError) as problem:
            return JSONResponse({"detail": f"not forwarded: {problem}"}, 502)
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    return Starlette(routes=[Route("/", forward, methods=["POST"])])


def signed_headers(secret: bytes, body: bytes) -> dict[str, str]:
    """The headers of one delivery, signed now."""
    timestamp, delivery = str(int(time.time())), secrets.token_hex(16)
    return {
        "content-type": "application/json",
        "x-gonogo-timestamp": timestamp,
        "x-gonogo-delivery": delivery,
        "x-gonogo-signature": sign(secret.strip(), timestamp, delivery, body),
    }
