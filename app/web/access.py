"""Who is asking, on which deployment, with which rights: deny by default.

Every route names an action of accounts/policy.py; the dependency made here loads the person and the seat, and
refuses before the route's own code runs.
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from fastapi import Request
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.engine import Database
from app.db.tables import Deployment, Person, PlanVersion, RosterSeat, WebSession
from app.domain.errors import Rejected
from app.domain.plan import Plan
from app.eventlog.log import Actor, touch

SESSION_COOKIE = "gonogo_session"
SECURE_SESSION_COOKIE = "__Host-gonogo_session"
IDLE = timedelta(minutes=30)
SEEN_EVERY = timedelta(seconds=30)
"""How often a session's `seen_at` is written at most: a page's many requests are one sign of life."""
ABSOLUTE = timedelta(hours=12)
PRESENT_EVERY = timedelta(seconds=15)
"""How often a seat's mark of presence is written at most."""
ARRIVES_AFTER = timedelta(seconds=60)
"""Who was away for longer and comes back arrives: the team's panels are told."""
STEP_UP = timedelta(minutes=5)
CSRF_HEADER = "x-csrf"
CSRF_FIELD = "_csrf"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

WHO_LIMIT = 120
"""Characters of how somebody is named: what the rows keep. A name and a title may be longer together."""
PATIENCE_S = 2.0
"""How long a request waits for PostgreSQL to say who asks: past a restart of it, not so long that nobody is told."""


class NotSignedIn(Exception):
    """Nobody is signed in in this browser, or the session ended."""


class Forbidden(Exception):
    """Signed in, but this position may not do that. `needs` names the right in words."""

    def __init__(self, reason: str, needs: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.needs = needs


class NotFound(Exception):
    """No such thing, or nothing this person may know of."""


class NoDeployment(NotFound):
    """The deployment itself: no page of it leads anywhere."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person behind a browser's session. `now` is database time at the start of the request."""

    person_id: int
    name: str
    login: str
    is_admin: bool
    csrf: str
    stepped_up_at: datetime
    session_hash: bytes
    now: datetime
    is_idle: bool = False
    seen_at: datetime | None = None

    @property
    def is_stepped_up(self) -> bool:
        return self.now - self.stepped_up_at <= STEP_UP


@dataclass(frozen=True, slots=True)
class Seat:
    position: str
    title: str
    short: str
    seat: int
    is_deputy: bool


@dataclass(frozen=True)
class Scope:
    """A person in front of a deployment: what every page and command of a deployment starts from."""

    viewer: Viewer
    deployment: Deployment
    plan: Plan
    plan_hash: str
    seats: tuple[Seat, ...]
    capabilities: frozenset[str]
    settings: Settings = field(repr=False)

    @property
    def id(self) -> int:
        return self.deployment.id

    @property
    def positions(self) -> frozenset[str]:
        return frozenset(seat.position for seat in self.seats)

    def positions_that_may(self, *capabilities: str) -> tuple[str, ...]:
        """Of this person's seats those whose position by itself gives one of the rights: of two people who must not
        act for the same position, a second seat without the right makes no second position."""
        return tuple(
            seat.position
            for seat in self.seats
            if capabilities_of(self.plan, frozenset({seat.position}), is_admin=False).intersection(capabilities)
        )

    @property
    def seat_title(self) -> str:
        """The title people know this person by on the day, such as "DevOps lead"."""
        if self.seats:
            return self.seats[0].title
        return "Administrator" if self.viewer.is_admin else self.viewer.name

    @property
    def who(self) -> str:
        """How the log and the pages name this person: the name, and the seat where it says more."""
        name, title = self.viewer.name, self.seat_title
        return (name if name.startswith(title) else f"{name}, {title}")[:WHO_LIMIT]

    @property
    def actor(self) -> Actor:
        return Actor(self.who, self.viewer.person_id)

    @property
    def now(self) -> datetime:
        return self.viewer.now

    def may(self, capability: str) -> bool:
        return capability in self.capabilities


@dataclass(frozen=True, slots=True)
class Action:
    """One line of the capability × action table. `any_of` empty means: everybody who is signed in.

    `grant` marks the rollback: it is decided by the rollback grant, survives an idle session and an old CSRF token.
    """

    name: str
    any_of: tuple[str, ...] = ()
    step_up: bool = False
    public: bool = False
    grant: bool = False
    token: str = ""
    """The API scope that also opens it; empty means that no token ever does."""


_plans: dict[str, Plan] = {}


def plan_of(version: PlanVersion) -> Plan:
    """The plan of a version, parsed once a process: what a hash stands for never changes."""
    plan = _plans.get(version.hash)
    if plan is None:
        plan = _plans[version.hash] = Plan.model_validate_json(json.dumps(version.document))
    return plan


async def plan_by_hash(session: AsyncSession, digest: str) -> Plan:
    """The plan with this hash. A process reads the document, which is large, only the first time."""
    plan = _plans.get(digest)
    if plan is None:
        plan = plan_of((await session.scalars(select(PlanVersion).where(PlanVersion.hash == digest))).one())
    return plan


def capabilities_of(plan: Plan, positions: frozenset[str], *, is_admin: bool) -> frozenset[str]:
    """The rights of somebody on these seats: those the plan names, one `sign_off:<question>` for each question of
    theirs, and `sign_off` if there is any; likewise `lead:<phase>` and `lead` for what they lead, and `work` if a step
    or what comes after a phase is theirs. An administrator administers and observes, and nothing else by that."""
    found: set[str] = set()
    for position in plan.positions:
        if position.key in positions:
            found.update(position.capabilities)
            found.add("observe")
    for phase in plan.phases:
        for question in phase.signoffs.questions if phase.signoffs else ():
            if question.position in positions:
                found.update(("sign_off", f"sign_off:{question.key}"))
        if positions.intersection(phase.lead):
            found.update(("lead", f"lead:{phase.key}", "work"))
        if any(action.position in positions for action in phase.actions):
            found.add("work")
    if is_admin:
        found.update(("administer", "observe"))
    return frozenset(found)


def database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


def settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


def session_cookie(settings: Settings) -> str:
    """The cookie's name. Only the one that belongs to this installation is read: a `__Host-` cookie cannot be set
    by a neighbouring host, and reading the plain name as well would give that away."""
    return SECURE_SESSION_COOKIE if settings.secure_cookies else SESSION_COOKIE


def session_key(settings: Settings, raw: str) -> bytes:
    """What is stored of a session's cookie. A session that was opened by one click in a range is none in live mode,
    even on the same database."""
    return hashlib.sha256(raw.encode() if settings.is_range else b"live:" + raw.encode()).digest()


async def find_viewer(request: Request, session: AsyncSession, *, allow_idle: bool = False) -> Viewer:
    """The person signed in in this browser. Raises NotSignedIn."""
    configuration = settings(request)
    raw = request.cookies.get(session_cookie(configuration))
    if not raw:
        raise NotSignedIn
    row = (
        await session.execute(
            select(WebSession, Person, func.clock_timestamp())
            .join(Person, Person.id == WebSession.person_id)
            .where(WebSession.id_hash == session_key(configuration, raw))
        )
    ).one_or_none()
    if row is None:
        raise NotSignedIn
    web_session, person, now = row
    is_idle = now - web_session.seen_at > IDLE
    if person.is_disabled or web_session.ended_at is not None or now - web_session.created_at > ABSOLUTE:
        raise NotSignedIn
    if is_idle and not allow_idle:
        raise NotSignedIn
    return Viewer(
        person_id=person.id,
        name=person.name,
        login=person.login,
        is_admin=person.is_admin,
        csrf=web_session.csrf,
        stepped_up_at=web_session.stepped_up_at,
        session_hash=web_session.id_hash,
        now=now,
        is_idle=is_idle,
        seen_at=web_session.seen_at,
    )


async def keep_alive(database: Database, viewer: Viewer) -> None:
    """Note that this session is in use. An open page counts, so that a wall does not go dark in minute 31; what an
    unattended browser could do harm with asks for a fresh step-up. A session that is idle already stays so."""
    if viewer.is_idle or viewer.seen_at is None or viewer.now - viewer.seen_at < SEEN_EVERY:
        return

    async def write(session: AsyncSession) -> None:
        await session.execute(
            update(WebSession)
            .where(WebSession.id_hash == viewer.session_hash, WebSession.ended_at.is_(None))
            .values(seen_at=func.clock_timestamp())
        )

    await database.run(write)


async def note_presence(database: Database, scope: Scope, page: str | None = None) -> None:
    """Mark this person's seats as seen now, on `page` (a page's key; None leaves the page as it was)."""
    if not scope.seats:
        return

    async def write(session: AsyncSession) -> None:
        now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        mine = (RosterSeat.deployment_id == scope.id) & (RosterSeat.person_id == scope.viewer.person_id)
        rows = (await session.scalars(select(RosterSeat).where(mine).with_for_update(skip_locked=True))).all()
        seen = max((row.seen_at for row in rows if row.seen_at is not None), default=None)
        has_moved = page is not None and any(row.seen_page != page for row in rows)
        if not rows or (seen is not None and now - seen < PRESENT_EVERY and not has_moved):
            return
        for row in rows:
            row.seen_at, row.seen_page = now, row.seen_page if page is None else page
        if seen is None or now - seen > ARRIVES_AFTER:
            await touch(session, scope.id, ("team",))

    await database.run(write)


def page_of(request: Request) -> str | None:
    """The key of the page a browser asks for: "board", "home"; None for fragments, streams and anything sent."""
    if request.method != "GET" or request.headers.get("hx-request") == "true":
        return None
    parts = [part for part in request.url.path.split("/") if part][2:]
    if any(part.startswith("_") for part in parts) or parts[:1] == ["live"]:
        return None
    return parts[0][:48] if parts else "home"


async def find_scope(request: Request, session: AsyncSession, viewer: Viewer, deployment_id: int) -> Scope:
    """The viewer in front of a deployment. Raises NotFound for strangers, so that ids tell them nothing."""
    row = (
        await session.execute(
            select(Deployment, PlanVersion.hash)
            .join(PlanVersion, PlanVersion.id == Deployment.plan_version_id)
            .where(Deployment.id == deployment_id)
        )
    ).one_or_none()
    if row is None:
        raise NoDeployment("There is no such deployment.")
    deployment, digest = row
    plan = await plan_by_hash(session, digest)
    rows = await session.scalars(
        select(RosterSeat)
        .where(RosterSeat.deployment_id == deployment_id, RosterSeat.person_id == viewer.person_id)
        .order_by(RosterSeat.is_deputy, RosterSeat.seat)
    )
    positions = {position.key: position for position in plan.positions}
    seats = tuple(
        Seat(row.position, positions[row.position].title, positions[row.position].short, row.seat, row.is_deputy)
        for row in rows
        if row.position in positions
    )
    if not seats and not viewer.is_admin:
        raise NoDeployment("There is no such deployment.")
    capabilities = capabilities_of(plan, frozenset(seat.position for seat in seats), is_admin=viewer.is_admin)
    return Scope(viewer, deployment, plan, digest, seats, capabilities, settings(request))


def _is_cross_site(request: Request) -> bool:
    return request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


async def check_csrf(request: Request, viewer: Viewer, *, token_required: bool = True) -> None:
    """Refuse a state change that did not come from a page of ours."""
    if request.method in SAFE_METHODS:
        return
    if _is_cross_site(request):
        raise Forbidden("This request came from another site. Nothing was done.")
    if not token_required:
        return
    sent = request.headers.get(CSRF_HEADER) or str((await request.form()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(sent.encode(), viewer.csrf.encode()):
        raise Rejected(
            "This page is from an earlier sign-in. Nothing was done.",
            remedy="Load the page again, then repeat what you did.",
            conflict=True,
            code="csrf",
        )


def require_scope(action: Action) -> Callable[..., Awaitable[Scope]]:
    """A dependency for routes under /d/{deployment_id}: the Scope, if its position may do `action`."""

    async def dependency(request: Request, deployment_id: int) -> Scope:
        async def who(session: AsyncSession) -> tuple[Viewer, Scope]:
            viewer = await find_viewer(request, session, allow_idle=action.grant)
            return viewer, await find_scope(request, session, viewer, deployment_id)

        viewer, scope = await database(request).read(who, patience_s=PATIENCE_S)
        check(action, scope.capabilities, viewer)
        await check_csrf(request, viewer, token_required=not action.grant)
        if not action.grant:
            await keep_alive(database(request), viewer)
            page = page_of(request)
            if page is not None or request.url.path.endswith("/live"):
                await note_presence(database(request), scope, page)
        return scope

    return _named(dependency, action)


def require_viewer(action: Action) -> Callable[..., Awaitable[Viewer]]:
    """A dependency for routes outside a deployment: the Viewer, if signed in (and administrator where asked)."""

    async def dependency(request: Request) -> Viewer:
        viewer = await database(request).read(lambda session: find_viewer(request, session), patience_s=PATIENCE_S)
        check(action, frozenset({"administer"} if viewer.is_admin else set()), viewer)
        await check_csrf(request, viewer)
        await keep_alive(database(request), viewer)
        return viewer

    return _named(dependency, action)


def public(action: Action) -> Callable[..., Awaitable[None]]:
    """A dependency that marks a route as open to nobody in particular; cross-site posts are refused all the same."""

    async def dependency(request: Request) -> None:
        if request.method not in SAFE_METHODS and _is_cross_site(request):
            raise Forbidden("This request came from another site. Nothing was done.")

    return _named(dependency, action)


def check(action: Action, capabilities: frozenset[str], viewer: Viewer) -> None:
    """Raises Forbidden or, where only a fresh sign-in is missing, Rejected with the code `step_up`."""
    if action.any_of and not capabilities.intersection(action.any_of):
        raise Forbidden("Your position may not do this.", needs=" or ".join(action.any_of))
    if action.step_up and not viewer.is_stepped_up:
        raise Rejected(
            "Your last sign-in is more than 5 min ago. Nothing was recorded.",
            remedy="Confirm that it is you, then repeat what you did.",
            code="step_up",
        )


def _named(dependency: Callable[..., Awaitable[Any]], action: Action) -> Callable[..., Awaitable[Any]]:
    # The generated route test reads the action off the dependency; a route without one fails it.
    dependency.action = action  # type: ignore[attr-defined]  # a function declares no such name
    return dependency
