"""The range's stand-in for GitHub: organisations with teams, members, repositories and secrets, kept in a file.

Plain answers, a line a figure, so that a script of bash reads them without help. Secrets are kept encrypted and never
told again. The scripts of phase 2 (app/rehearsal/scripts) talk to it.
"""

import asyncio
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

GITHUB_KEY = "github.token"
FILE = "github.json"
SEAL = "github.seal"
LONGEST = 64


class Organisations:
    """What is kept, in `folder`; each change is on disk before it is answered."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        seal = folder / SEAL
        if not seal.exists():
            seal.touch(0o600)
            seal.write_bytes(Fernet.generate_key())
        self._seal = Fernet(seal.read_bytes())
        self._kept: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def of(self, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._kept.get(name)
        return found

    def create(self, name: str) -> bool:
        """False if it was there."""
        if name in self._kept:
            return False
        self._kept[name] = {"teams": {}, "repositories": {}, "secrets": {}}
        self.keep()
        return True

    def encrypted(self, value: bytes) -> str:
        return self._seal.encrypt(value).decode()

    def keep(self) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(self._kept, indent=1, sort_keys=True))
        draft.replace(self._file)


def figures(org: dict[str, Any]) -> dict[str, int]:
    """What there is, counted."""
    members = {login for team in org["teams"].values() for login in team}
    repositories = org["repositories"].values()
    return {
        "teams": len(org["teams"]),
        "members": len(members),
        "repositories": len(repositories),
        "protected": sum(bool(one["protected"]) for one in repositories),
        "workflows": sum(bool(one["workflows"]) for one in repositories),
        "secrets": len(org["secrets"]),
    }


def github_routes(kept: Organisations, token: str, refuses: Callable[[], bool]) -> list[Route]:
    """`refuses`: whether it answers 403 to every change, as to a token without the right."""
    lock = asyncio.Lock()

    def why_not(request: Request) -> Response | None:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return PlainTextResponse("Bad credentials\n", 401)
        if refuses() and request.method != "GET":
            return PlainTextResponse("Resource not accessible by this token\n", 403)
        if any(len(str(part)) > LONGEST for part in request.path_params.values()):
            return PlainTextResponse("Names are shorter\n", 422)
        return None

    async def handle(request: Request) -> Response:
        if (refusal := why_not(request)) is not None:
            return refusal
        body = await request.body()
        async with lock:
            return _answer(kept, request, body)

    root = "/github/orgs/{org}"
    return [
        Route(root, handle, methods=["GET", "PUT"], name="org"),
        Route(root + "/teams/{team}", handle, methods=["PUT"], name="team"),
        Route(root + "/teams/{team}/members/{login}", handle, methods=["PUT"], name="member"),
        Route(root + "/members/{login}", handle, methods=["GET"], name="access"),
        Route(root + "/repos/{repo}", handle, methods=["PUT"], name="repo"),
        Route(root + "/repos/{repo}/{part:str}", handle, methods=["PUT"], name="part"),
        Route(root + "/secrets/{secret}", handle, methods=["PUT"], name="secret"),
    ]


def _answer(kept: Organisations, request: Request, body: bytes) -> Response:
    names = {name: str(value) for name, value in request.path_params.items()}
    route = request.scope["route"].name
    if route == "org" and request.method == "PUT":
        return PlainTextResponse("", 201 if kept.create(names["org"]) else 200)
    org = kept.of(names["org"])
    if org is None:
        return _missing
    match route:
        case "org":
            return PlainTextResponse("".join(f"{name} {count}\n" for name, count in figures(org).items()))
        case "access":
            has_access = any(names["login"] in team for team in org["teams"].values())
            return PlainTextResponse("active\n") if has_access and org["repositories"] else _missing
        case "team":
            org["teams"].setdefault(names["team"], [])
        case "member":
            team = org["teams"].get(names["team"])
            if team is None:
                return _missing
            if names["login"] not in team:
                team.append(names["login"])
        case "repo":
            org["repositories"].setdefault(names["repo"], {"protected": False, "workflows": []})
        case "part":
            repo = org["repositories"].get(names["repo"])
            if repo is None or names["part"] not in ("protected", "workflows"):
                return _missing
            repo[names["part"]] = True if names["part"] == "protected" else body.decode("utf-8", "replace").split()
        case "secret":
            org["secrets"][names["secret"]] = kept.encrypted(body)
    kept.keep()
    return PlainTextResponse("", 201)


_missing = PlainTextResponse("Not Found\n", 404)
