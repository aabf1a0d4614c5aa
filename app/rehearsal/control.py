"""The control API of the range and the balancer agent's API, over HTTP. docs/range.md is their contract."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import wraps
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.domain.sides import Side, Weights
from app.ports.traffic import StaleEpoch
from app.rehearsal.agent import Agent, Refused
from app.rehearsal.child import ChildFailed
from app.rehearsal.direction import Direction, NotAnswering
from app.rehearsal.ledger import REMEMBERED

Handler = Callable[[Request], Awaitable[Response]]
Percent = Annotated[int, Field(ge=0, le=100)]
STAGING = "/staging"
"""Where the API of the second balancer front and its customers begins."""
PART = TypeAdapter(dict[str, JsonValue])


class WeightsWanted(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    blue: Percent
    green: Percent
    epoch: Annotated[int, Field(ge=0)]


class CutOff(Response):
    """Headers, then the end of the connection: the answer never arrives."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})


def problem(status: int, title: str, detail: str, **more: JsonValue) -> JSONResponse:
    body = {"title": title, "detail": detail, "status": status, **more}
    return JSONResponse(body, status, media_type="application/problem+json")


def guarded(token: str) -> Callable[[Handler], Handler]:
    """Only for who has `token`; and what a handler may raise, as problem+json."""

    def around(handler: Handler) -> Handler:
        @wraps(handler)
        async def call(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                return problem(401, "No token", "This needs the header Authorization: Bearer and the token.")
            try:
                return await handler(request)
            except ValidationError as wrong:
                first = wrong.errors(include_url=False)[0]
                field = ".".join(str(part) for part in first["loc"])
                return problem(422, "Not possible", f"{field}: {first['msg']}", field=field)
            except ValueError:
                return problem(404, "No such side", "A side is BLUE or GREEN.")
            except (NotAnswering, ChildFailed) as failure:
                return problem(502, "A process of the range does not answer", str(failure))

        return call

    return around


def agent_routes(agent: Agent, token: str, base: str = "") -> list[Route]:
    """`base`: of a second balancer of the range, whose weights are its own."""

    @guarded(token)
    async def read(_: Request) -> Response:
        return JSONResponse(agent.read().as_json())

    @guarded(token)
    async def write(request: Request) -> Response:
        wanted = WeightsWanted.model_validate_json(await request.body())
        if wanted.blue + wanted.green != 100:
            return problem(422, "Not possible", f"{wanted.blue} and {wanted.green} do not add up to 100.")
        try:
            state = await agent.write(Weights(wanted.blue, wanted.green), wanted.epoch)
        except StaleEpoch as stale:
            return problem(409, "A newer operation wrote before", str(stale), newest=stale.newest)
        except Refused:
            return problem(503, "The balancer refuses writes", "Nothing was applied.")
        return CutOff() if agent.knobs.drop_answer else JSONResponse(state.as_json())

    @guarded(token)
    async def received(_: Request) -> Response:
        return JSONResponse({"writes": [asdict(one) for one in agent.received]})

    return [
        Route(f"{base}/balancer", read),
        Route(f"{base}/balancer", write, methods=["PUT"]),
        Route(f"{base}/balancer/received", received),
    ]


def control_routes(direction: Direction, token: str) -> list[Route]:
    @guarded(token)
    async def status(_: Request) -> Response:
        return JSONResponse(await direction.status())

    @guarded(token)
    async def customers(request: Request) -> Response:
        failures = request.query_params.get("failures", "")
        return JSONResponse(await direction.customers(int(failures) if failures.isdecimal() else REMEMBERED))

    @guarded(token)
    async def staging_customers(request: Request) -> Response:
        failures = request.query_params.get("failures", "")
        return JSONResponse(await direction.staging_customers(int(failures) if failures.isdecimal() else REMEMBERED))

    @guarded(token)
    async def knobs(_: Request) -> Response:
        return JSONResponse(direction.knobs.model_dump())

    @guarded(token)
    async def set_knobs(request: Request) -> Response:
        part = PART.validate_json(await request.body())
        return JSONResponse((await direction.set_knobs(part)).model_dump())

    @guarded(token)
    async def reset_knobs(_: Request) -> Response:
        return JSONResponse((await direction.reset_knobs()).model_dump())

    @guarded(token)
    async def restart(request: Request) -> Response:
        side = Side(request.path_params["side"])
        return JSONResponse({"side": side, "pid": await direction.restart_release(side)})

    @guarded(token)
    async def drain(request: Request) -> Response:
        side = Side(request.path_params["side"])
        return JSONResponse({"side": side, "drained": await direction.drain_release(side)})

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return [
        Route("/healthz", healthz),
        Route("/status", status),
        Route("/customers", customers),
        Route(f"{STAGING}/customers", staging_customers),
        Route("/knobs", knobs),
        Route("/knobs", set_knobs, methods=["PATCH"]),
        Route("/knobs/reset", reset_knobs, methods=["POST"]),
        *(
            Route(f"/releases/{{side}}/{verb}", handler, methods=["POST"])
            for verb, handler in (("restart", restart), ("drain", drain))
        ),
    ]
