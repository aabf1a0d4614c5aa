"""The customers: one process that sends steady traffic through the public address and remembers every failure.

`python -m app.rehearsal.customers --public http://127.0.0.1:8401 --port 8405 --per-second 60`
"""

import argparse
import asyncio
import hmac
import os

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.rehearsal.crowd import Crowd
from app.rehearsal.knobs import CustomerKnobs
from app.rehearsal.ledger import REMEMBERED


def application(crowd: Crowd, token: str) -> Starlette:
    """`GET /customers` and `PUT /knobs`, for the range's control process only."""

    def is_allowed(request: Request) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {token}")

    async def count(request: Request) -> JSONResponse:
        if not is_allowed(request):
            return JSONResponse({"error": "no token"}, 401)
        failures = request.query_params.get("failures", "")
        return JSONResponse(crowd.ledger.as_json(int(failures) if failures.isdecimal() else REMEMBERED))

    async def set_knobs(request: Request) -> JSONResponse:
        if not is_allowed(request):
            return JSONResponse({"error": "no token"}, 401)
        try:
            knobs = CustomerKnobs.model_validate_json(await request.body())
        except ValidationError as problem:
            return JSONResponse({"error": problem.errors(include_url=False)}, 422)
        crowd.per_second = knobs.per_second
        crowd.held.keep(knobs.streams)
        return JSONResponse(knobs.model_dump())

    return Starlette(routes=[Route("/customers", count), Route("/knobs", set_knobs, methods=["PUT"])])


async def serve(crowd: Crowd, port: int, token: str) -> None:
    config = uvicorn.Config(
        application(crowd, token),
        host="127.0.0.1",
        port=port,
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    sending = asyncio.create_task(crowd.run())
    try:
        await uvicorn.Server(config).serve()
    finally:
        sending.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description="The customers of the rehearsal range.")
    parser.add_argument("--public", required=True, help="the public address")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--per-second", type=int, default=60)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvicorn.Config("", loop="uvloop").get_loop_factory()) as runner:
        runner.run(serve(Crowd(arguments.public, arguments.per_second), arguments.port, os.environ["RANGE_TOKEN"]))


if __name__ == "__main__":
    main()
