"""Refusals and failures, in words: a panel for htmx, a page for browsers, problem+json for machines."""

import re
import secrets
from dataclasses import dataclass, replace
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import DataError, DBAPIError
from starlette.exceptions import HTTPException

from app.domain.errors import Rejected
from app.web.access import Forbidden, NoDeployment, NotFound, NotSignedIn
from app.web.form import field_errors
from app.web.rendering import is_htmx, notice, plain_page
from app.web.security import HEADERS

log = structlog.get_logger()

_OF_A_DEPLOYMENT = re.compile(r"/d/\d{1,18}(?=/.)")


@dataclass(frozen=True, slots=True)
class Problem:
    """What happened, why, what moved, what to do. `code` is stable; `reference` finds the line in the log."""

    status: int
    code: str
    title: str
    text: str
    todo: tuple[str, ...] = ()
    reference: str = ""
    link: tuple[str, str] | None = None
    leads_back: bool = True
    """Whether the deployment of the address is there to go back to."""


def problem_response(request: Request, problem: Problem) -> Response:
    """The problem in the form that the asker reads."""
    if request.url.path.startswith("/api/"):
        body = {
            "type": f"urn:gonogo:problem:{problem.code}",
            "title": problem.title,
            "status": problem.status,
            "detail": " ".join((problem.text, *problem.todo)).strip(),
            "code": problem.code,
        }
        return JSONResponse(body, problem.status, media_type="application/problem+json")
    if is_htmx(request):
        panel = notice(request, "_problem.html", status=problem.status, problem=problem)
        # Whatever panel the form names: a problem is not that panel, and must not take its place.
        panel.headers["HX-Retarget"] = "#notice"
        panel.headers["HX-Reswap"] = "innerHTML"
        return panel
    return plain_page(request, "problem.html", status=problem.status, problem=_with_way_back(request, problem))


def _with_way_back(request: Request, problem: Problem) -> Problem:
    """A page that cannot be shown leads back to the deployment it belongs to, where there is one."""
    own = _OF_A_DEPLOYMENT.match(request.url.path)
    if problem.link or own is None or not problem.leads_back:
        return problem
    return replace(problem, link=("Back to the deployment", own[0]))


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(Rejected, _rejected)
    app.add_exception_handler(NotSignedIn, _not_signed_in)
    app.add_exception_handler(Forbidden, _forbidden)
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(Exception, _unexpected)


async def _rejected(request: Request, error: Exception) -> Response:
    assert isinstance(error, Rejected)
    todo = (error.remedy,) if error.remedy else ()
    if error.code == "step_up":
        back = quote(request.headers.get("hx-current-url") or request.headers.get("referer") or "/")
        link = ("Confirm that it is you", f"/step-up?next={back}")
        return problem_response(
            request, Problem(403, "step_up", "Confirm that it is you", error.reason, todo, link=link)
        )
    status = 409 if error.conflict else 422
    title = "Somebody or something was faster" if error.conflict else "This was not done"
    return problem_response(request, Problem(status, error.code, title, error.reason, todo))


async def _not_signed_in(request: Request, error: Exception) -> Response:
    text = "You are not signed in, or the sign-in has ended. Nothing was done."
    if request.url.path.startswith("/api/"):
        response = problem_response(request, Problem(401, "token", "No token that opens this", str(error) or text))
        response.headers["www-authenticate"] = 'Bearer realm="gonogo"'
        return response
    back = request.url.path if request.method == "GET" else "/"
    target = f"/sign-in?next={quote(back)}"
    if is_htmx(request):
        problem = Problem(401, "not_signed_in", "Not signed in", text, link=("Sign in", target))
        return problem_response(request, problem)
    return RedirectResponse(target, status_code=303)


async def _forbidden(request: Request, error: Exception) -> Response:
    assert isinstance(error, Forbidden)
    needs = f" It needs the right to {error.needs.replace('_', ' ')}." if error.needs else ""
    problem = Problem(403, "forbidden", "Not for your position", f"{error.reason}{needs} Nothing was done.")
    return problem_response(request, problem)


async def _not_found(request: Request, error: Exception) -> Response:
    is_there = not isinstance(error, NoDeployment)
    return problem_response(request, Problem(404, "not_found", "Not found", str(error), leads_back=is_there))


async def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if request.url.path.startswith("/api/"):
        # Machines get the place of each field, and the validator's own words.
        found = tuple(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}." for e in error.errors()[:20])
        return problem_response(request, Problem(422, "unreadable", "Cannot be read", "Nothing was done.", found))
    lines = tuple(f"{name.replace('_', ' ')}: {sentence}" for name, sentence in field_errors(error).items())
    return problem_response(
        request, Problem(422, "unreadable", "The form could not be read", "Nothing was done.", lines)
    )


async def _http(request: Request, error: Exception) -> Response:
    """What the router says of an address, in words; anything else as it was put."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        text = "No page has this address. Nothing was done."
        return problem_response(request, Problem(404, "http", "Not found", text))
    text = "This address does not take that. Nothing was done." if error.status_code == 405 else str(error.detail)
    return problem_response(request, Problem(error.status_code, "http", "This was not done", text))


async def _database(request: Request, error: Exception) -> Response:
    if isinstance(error, DataError):
        # Such as an id in the address that is larger than any id: a fault of the request, not of the database.
        text = "A value is larger than anything kept here. Nothing was done."
        return problem_response(request, Problem(422, "out_of_range", "This was not done", text))
    reference = secrets.token_hex(4)
    log.error("web.database.unavailable", reference=reference, path=request.url.path, error=str(error)[:500])
    problem = Problem(
        503,
        "database",
        "The database does not answer",
        "What you did was not recorded, and no traffic moved because of it.",
        ("Try again in a few seconds.", "If traffic has to move now, use gonogo's command line on a worker."),
        reference,
    )
    return problem_response(request, problem)


async def _unexpected(request: Request, error: Exception) -> Response:
    reference = secrets.token_hex(4)
    log.error("web.unexpected", reference=reference, path=request.url.path, exc_info=error)
    problem = Problem(
        500,
        "unexpected",
        "gonogo made a mistake",
        "This is a fault of the product, not of what you did. What you did was not recorded.",
        ("Load the page again; it shows where things stand.", f"Tell the administrator this reference: {reference}."),
        reference,
    )
    response = problem_response(request, problem)
    # This answer is made outside every middleware, so it dresses itself.
    for name, value in (*HEADERS.items(), ("cache-control", "no-store")):
        response.headers.setdefault(name, value)
    return response
