"""HTTP of the API, and the document that describes it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.policy import anybody, token_may
from app.api import commands_alerts, queries, queries_checklists, queries_decisions, queries_phases, queries_signoffs
from app.api.forms import ReadingsIn, RollbackIn
from app.api.forms_alerts import AlertIn, AlertmanagerIn, SnsIn
from app.api.views import (
    AlertsOut,
    DecisionsOut,
    DeploymentOut,
    DeploymentsOut,
    IncidentsOut,
    OperationOut,
    PhasesOut,
    ProblemOut,
    SignoffsOut,
    StoredOut,
    TimelineOut,
    TrafficOut,
)
from app.api.views_checklists import ChecklistsOut, DutiesOut
from app.db.tables import Deployment, PlanVersion
from app.metrics.commands import PostedReading, record_readings
from app.providers.alert_hooks import NotGenuine
from app.traffic.commands import request_rollback
from app.web.access import database, plan_of
from app.web.bearer import Machine
from app.web.errors import Problem, problem_response

VERSION = "1.0.0"
Out = TypeVar("Out")
_TAGS = (
    *("deployments", "phases", "checklists", "sign-offs", "traffic"),
    *("decisions", "incidents", "timeline", "metrics", "alerts"),
)
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or none that opens anything now (code `token`)", "content": _PROBLEM},
    403: {"description": "The token lacks the scope (code `forbidden`)", "content": _PROBLEM},
    404: {"description": "No such deployment, or none of this token's (code `not_found`)", "content": _PROBLEM},
    422: {"description": "The request cannot be read, or a rule refuses it", "content": _PROBLEM},
}
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"description": "It does not follow from the present state (code `state`)", "content": _PROBLEM}
}

router = APIRouter(prefix="/api/v1", responses=_REFUSALS)


async def _of(
    request: Request, deployment_id: int, tell: Callable[[AsyncSession, Deployment, PlanVersion], Awaitable[Out]]
) -> Out:
    """What is told of one deployment, in one read. Raises NotFound."""

    async def query(session: AsyncSession) -> Out:
        return await tell(session, *await queries.found(session, deployment_id))

    return await database(request).read(query)


@router.get("/deployments", tags=["deployments"])
async def list_deployments(
    request: Request,
    machine: Annotated[Machine, Depends(token_may("deployments.view"))],
    before: Annotated[int | None, Query(ge=1, le=2**62, description="Only ids below this one")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DeploymentsOut:
    """Deployments that this token is for, newest first. Scope `read`."""
    return await database(request).read(
        lambda session: queries.deployments(session, machine, before=before, limit=limit)
    )


@router.get("/deployments/{deployment_id}", tags=["deployments"], dependencies=[Depends(token_may("deployments.view"))])
async def read_deployment(request: Request, deployment_id: int) -> DeploymentOut:
    """Where a deployment stands. Scope `read`."""

    async def query(session: AsyncSession) -> DeploymentOut:
        return queries.deployment_out(*await queries.found(session, deployment_id))

    return await database(request).read(query)


@router.get("/deployments/{deployment_id}/phases", tags=["phases"])
async def read_phases(
    request: Request, deployment_id: int, machine: Annotated[Machine, Depends(token_may("phases.view"))]
) -> PhasesOut:
    """The day's phases with their steps, planned and actual. Scope `read`. Nothing under this address moves one."""

    return await _of(request, deployment_id, partial(queries_phases.phases, now=machine.now))


@router.get("/deployments/{deployment_id}/checklists", tags=["checklists"])
async def read_checklists(
    request: Request, deployment_id: int, machine: Annotated[Machine, Depends(token_may("checklists.view"))]
) -> ChecklistsOut:
    """Checklists of the present attempt, everybody's own readiness, and who is there. Scope `read`. Nothing under this
    address ticks one."""

    return await _of(request, deployment_id, partial(queries_checklists.checklists, now=machine.now))


@router.get("/deployments/{deployment_id}/duties", tags=["checklists"])
async def read_duties(
    request: Request, deployment_id: int, machine: Annotated[Machine, Depends(token_may("checklists.view"))]
) -> DutiesOut:
    """The duties of every position, and who did them when. Scope `read`. Nothing under this address does one."""

    return await _of(request, deployment_id, partial(queries_checklists.duties, now=machine.now))


@router.get("/deployments/{deployment_id}/signoffs", tags=["sign-offs"])
async def read_signoffs(
    request: Request, deployment_id: int, machine: Annotated[Machine, Depends(token_may("signoffs.view"))]
) -> SignoffsOut:
    """The gate of the switch and its votes. Scope `read`. Nothing under this address takes a vote."""

    return await _of(request, deployment_id, partial(queries_signoffs.signoffs, now=machine.now))


@router.get("/deployments/{deployment_id}/traffic", tags=["traffic"])
async def read_traffic(
    request: Request, deployment_id: int, machine: Annotated[Machine, Depends(token_may("traffic.view"))]
) -> TrafficOut:
    """Where traffic goes, as set and as seen, and the newest operation. Scope `read`."""
    return await _of(request, deployment_id, partial(queries.traffic, now=machine.now))


@router.get("/deployments/{deployment_id}/decisions", tags=["decisions"])
async def read_decisions(
    request: Request, deployment_id: int, machine: Annotated[Machine, Depends(token_may("decisions.view"))]
) -> DecisionsOut:
    """The decision points of the present attempt. Scope `read`. Nothing under this address takes an answer."""
    return await _of(request, deployment_id, partial(queries_decisions.decisions, now=machine.now))


@router.get("/deployments/{deployment_id}/incidents", tags=["incidents"])
async def read_incidents(
    request: Request,
    deployment_id: int,
    machine: Annotated[Machine, Depends(token_may("incidents.view"))],
    before: Annotated[int | None, Query(ge=1, le=2**62, description="Only ids below this one")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> IncidentsOut:
    """Incidents of a deployment, newest first. Scope `read`."""
    asked = partial(queries_decisions.incidents, now=machine.now, before=before, limit=limit)
    return await _of(request, deployment_id, asked)


@router.get(
    "/deployments/{deployment_id}/timeline", tags=["timeline"], dependencies=[Depends(token_may("timeline.view"))]
)
async def read_timeline(
    request: Request,
    deployment_id: int,
    after_seq: Annotated[int, Query(ge=0, le=2**62, description="Only lines after this one")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> TimelineOut:
    """The log's lines in their order. Scope `read`."""

    async def query(session: AsyncSession) -> TimelineOut:
        await queries.found(session, deployment_id)
        return await queries.timeline(session, deployment_id, after_seq=after_seq, limit=limit)

    return await database(request).read(query)


@router.post("/deployments/{deployment_id}/readings", tags=["metrics"], status_code=201)
async def post_readings(
    request: Request,
    deployment_id: int,
    posted: ReadingsIn,
    machine: Annotated[Machine, Depends(token_may("metrics.post"))],
) -> StoredOut:
    """Store readings of the plan's metrics: all of them or none. Scope `readings`."""
    readings = [PostedReading(r.metric, r.side, r.value, r.samples, r.at) for r in posted.readings]

    async def write(session: AsyncSession) -> StoredOut:
        deployment, version = await queries.found(session, deployment_id)
        source = f"token {machine.name}"
        stored = await record_readings(session, deployment, plan_of(version), readings, source, machine.now)
        return StoredOut(stored=stored)

    return await database(request).run(write)


@router.post("/deployments/{deployment_id}/rollback", tags=["traffic"], status_code=202, responses=_CONFLICT)
async def roll_back(
    request: Request,
    deployment_id: int,
    wanted: RollbackIn,
    machine: Annotated[Machine, Depends(token_may("traffic.rollback"))],
) -> OperationOut:
    """All traffic back to BLUE, at once, pre-empting a running switch. Scope `rollback`. The answer says that it was
    accepted; `traffic` says when it has arrived."""

    async def write(session: AsyncSession) -> OperationOut:
        await queries.found(session, deployment_id)
        operation = await request_rollback(
            session,
            deployment_id,
            actor=machine.actor,
            key=f"t{machine.token_id}:{wanted.key}",
            clicked_at=machine.now,
            although_blue_unhealthy=wanted.although_blue_is_unhealthy,
            cause=wanted.cause,
        )
        return queries.operation_out(operation)

    return await database(request).run(write)


_ALERT_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "Not signed by whom the hook trusts, or too old (`signature`, `old`)", "content": _PROBLEM},
    403: {"description": "Another topic than the hook's (`topic`)", "content": _PROBLEM},
    404: {"description": "No such hook (`hook`), or no deployment to report to (`addressee`)", "content": _PROBLEM},
    409: {"description": "The delivery was accepted before (`replayed`)", "content": _PROBLEM},
    422: {"description": "The body cannot be read (`unreadable`)", "content": _PROBLEM},
}
_MODELS = (AlertmanagerIn, AlertIn, SnsIn)


def _takes(model: type[BaseModel]) -> dict[str, Any]:
    """The route reads the raw body, because that is what was signed; this says what has to stand in it."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}, "security": []}


Open = Depends(anybody("alerts.receive"))
_HOOK: dict[str, Any] = {
    "tags": ["alerts"],
    "status_code": 202,
    "response_model": AlertsOut,
    "responses": _ALERT_REFUSALS,
}


@router.post("/alerts/alertmanager/{hook}", dependencies=[Open], openapi_extra=_takes(AlertmanagerIn), **_HOOK)
async def take_alertmanager(request: Request, hook: str) -> Response:
    """Alerts of Prometheus Alertmanager, signed with the hook's secret."""
    return await _receive(request, "alertmanager", hook)


@router.post("/alerts/json/{hook}", dependencies=[Open], openapi_extra=_takes(AlertIn), **_HOOK)
async def take_json(request: Request, hook: str) -> Response:
    """One alert in gonogo's own format, signed with the hook's secret."""
    return await _receive(request, "json", hook)


@router.post("/alerts/sns/{hook}", dependencies=[Open], openapi_extra=_takes(SnsIn), **_HOOK)
async def take_sns(request: Request, hook: str) -> Response:
    """Amazon SNS: confirms subscriptions to the hook's topics and takes their notifications, signed by Amazon."""
    return await _receive(request, "sns", hook)


async def _receive(request: Request, kind: str, hook: str) -> Response:
    door: commands_alerts.AlertDoor = request.app.state.alerts
    body = await request.body()
    try:
        taken = await commands_alerts.receive(database(request), door, kind, hook, request.headers, body)
    except NotGenuine as refusal:
        status = commands_alerts.STATUS[refusal.code]
        text = f"{refusal.message} Nothing was recorded."
        return problem_response(request, Problem(status, refusal.code, "The alerts were not taken in", text))
    return JSONResponse(AlertsOut(recorded=taken).model_dump(), 202)


def openapi_document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of this router."""
    document = get_openapi(
        title="gonogo",
        version=VERSION,
        description="Deployments, sign-offs, traffic and timeline for machines. No token signs off or switches.",
        routes=router.routes,
        tags=[{"name": name} for name in _TAGS],
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["ProblemOut"] = ProblemOut.model_json_schema()
    for model in _MODELS:
        own = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(own.pop("$defs", {}))
        schemas[model.__name__] = own
    return document


_document: dict[str, Any] = {}


@router.get("/openapi.json", include_in_schema=False, dependencies=[Depends(anybody("api.document"))])
async def openapi() -> JSONResponse:
    if not _document:
        _document.update(openapi_document())
    return JSONResponse(_document)
