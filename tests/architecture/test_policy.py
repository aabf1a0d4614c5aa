"""Every route × every position × nobody: each route has one action, and who lacks its right changes nothing.

The routes are found, not listed, so a new one without an action, or with a hole, fails here.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import func, select, text, update
from starlette.routing import Mount

from app.accounts.policy import ACTIONS
from app.db.tables import Base, Person, RollbackGrant, WebSession
from app.domain.plan import Action as Step
from app.domain.plan import Phase, Plan, plan_hash
from app.main import FEATURES, core
from app.web.access import Action

EVERYBODY = frozenset(
    {
        "project_manager",
        "devops_lead",
        "devops_1",
        "backend_lead",
        "backend_1",
        "security_officer",
        "operations",
        "support",
        "executive",
        "admin",
    }
)
"""One person for each position of ALAWAEL's plan, and the administrator, who has no seat."""
STRANGER = "stranger"
"""Signed in, without a seat in this deployment."""
NOBODY = ""

SIGN_OFF = {"project_manager", "devops_lead", "backend_lead", "security_officer", "operations"}
SWITCH = {"devops_lead", "devops_1"}
NOTE = EVERYBODY - {"executive", "admin"}
LEAD = {"project_manager"}
PHASE_LEADS = {"devops_lead", "backend_lead", "security_officer", "operations"}
WHO: dict[str, set[str] | frozenset[str]] = {
    "accounts.sign_out": EVERYBODY | {STRANGER},
    "accounts.step_up": EVERYBODY | {STRANGER},
    "accounts.tokens.view": {"admin"},
    "accounts.tokens.manage": {"admin"},
    "accounts.people.view": {"admin"},
    "accounts.people.manage": {"admin"},
    "overview.list": EVERYBODY | {STRANGER},
    "overview.home": EVERYBODY,
    "deployments.view": EVERYBODY,
    "deployments.create": {"admin"},
    "roster.view": EVERYBODY,
    "roster.change": LEAD | {"admin"},
    "roster.hand": SWITCH | LEAD,
    "roster.arrive": NOTE,
    "deployments.proceed": LEAD,
    "deployments.arm": SWITCH,
    "deployments.hold": LEAD,
    "deployments.resume": LEAD,
    "deployments.reschedule": LEAD,
    "deployments.abort": LEAD,
    "deployments.reopen": LEAD,
    "deployments.complete": LEAD,
    "signoffs.view": EVERYBODY,
    "signoffs.vote": SIGN_OFF,
    "signoffs.withdraw": SIGN_OFF,
    "checklists.view": EVERYBODY,
    "checklists.tick": NOTE - {"security_officer", "backend_1"},
    "checklists.own": NOTE,
    "phases.view": EVERYBODY,
    "phases.start": PHASE_LEADS | LEAD,
    "phases.complete": PHASE_LEADS | LEAD,
    "phases.hold": PHASE_LEADS | LEAD,
    "phases.resume": PHASE_LEADS | LEAD,
    "phases.reschedule": PHASE_LEADS | LEAD,
    "phases.abort": LEAD,
    "phases.skip": PHASE_LEADS | LEAD,
    "phases.clock": PHASE_LEADS | LEAD | {"admin"},
    "steps.work": NOTE,
    "steps.decide": PHASE_LEADS | LEAD,
    "canary.view": EVERYBODY,
    "canary.lead": PHASE_LEADS | LEAD,
    "canary.speak": NOTE,
    "canary.take_back": NOTE | SWITCH | LEAD,
    "scripts.run": NOTE,
    "scripts.abort": NOTE,
    "traffic.view": EVERYBODY,
    "traffic.switch": SWITCH,
    "traffic.rollback": SWITCH | LEAD,
    "traffic.acknowledge": {"project_manager", "devops_lead"},
    "metrics.view": EVERYBODY,
    "metrics.post": set(),
    "triggers.view": EVERYBODY,
    "triggers.hold": SWITCH | LEAD,
    "triggers.raise": {"security_officer", "backend_lead"},
    "decisions.view": EVERYBODY,
    "decisions.answer": {"project_manager", "devops_lead"},
    "incidents.view": EVERYBODY,
    "incidents.raise": EVERYBODY,
    "incidents.answer": NOTE,
    "incidents.decide": {"project_manager", "devops_lead"},
    "incidents.report": {"support"},
    "incidents.settle": NOTE,
    "freeze.view": EVERYBODY,
    "freeze.change": {"project_manager", "devops_lead"},
    "freeze.ask": SWITCH | {"backend_lead", "backend_1"},
    "freeze.answer": {"security_officer"},
    "timeline.view": EVERYBODY,
    "timeline.note": NOTE,
    "plans.view": EVERYBODY,
    "plans.list": EVERYBODY | {STRANGER},
    "plans.take_up": {"admin"},
    "realtime.stream": EVERYBODY,
    "range.view": EVERYBODY,
    "range.turn": SWITCH | LEAD | {"admin"},
    "range.rehearse": LEAD | {"admin"},
    "gallery.view": EVERYBODY | {STRANGER},
}
"""Who may do what on ALAWAEL's day, written out: a change of the table or of the plan shows here."""


@dataclass(frozen=True)
class Door:
    """A method of a route, and the action that guards it."""

    method: str
    path: str
    action: Action

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")

    def url(self, web: Any, plan: Plan, who: str = "") -> str:
        item = plan.checklists[0].items[0]
        values = {"checklist": plan.checklists[0].key, "item": item.key, "group": "green"}
        values |= {"trigger": plan.triggers[0].key, "hook": "pager", "digest": plan_hash(plan)}
        phase, step = own_work(plan, who, self.action.name)
        values |= {"phase": phase.key, "step": step.key}
        values |= {"minute": 5, "incident_id": 1, "number": 0, "report_id": 1, "file_id": 1, "patch_id": 1}
        return self.path.format(deployment_id=web.deployment.id, person_id=1, token_id=1, **values)


OWN_STEPS = ("steps.work", "scripts.run", "scripts.abort")
"""Asked of a step of one's own; where that has no script, there is none to be found."""


def own_work(plan: Plan, who: str, action: str) -> tuple[Phase, Step]:
    """A phase that this person leads and a step in it, or for work on steps one of their own: beyond the table, a
    command asks whose phase and whose step it is (tests/phases, tests/steps)."""
    position = who.removesuffix("_1")
    for phase in plan.phases:
        for step in phase.actions:
            is_own = step.position == position if action in OWN_STEPS else position in phase.lead
            if is_own:
                return phase, step
    return plan.phases[0], plan.phases[0].actions[0]


def routes_of(router: Any) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            assert not route.include_context.prefix, "the walk below reads paths without a prefix of the inclusion"
            yield from routes_of(route.original_router)
        else:
            assert isinstance(route, Mount), f"{route} is no route that this test knows"


def actions_of(route: APIRoute) -> list[Action]:
    found: list[Action] = []
    open_ones = [route.dependant]
    while open_ones:
        dependant = open_ones.pop()
        open_ones += dependant.dependencies
        action = getattr(dependant.call, "action", None)
        if action is not None:
            found.append(action)
    return found


def doors_of(feature: str) -> list[Door]:
    router = core if feature == "core" else import_module(f"app.{feature}.routes").router
    return [
        Door(method, route.path, action)
        for route in routes_of(router)
        for method in sorted(route.methods - {"HEAD"})
        for action in actions_of(route)
    ]


def test_every_route_has_exactly_one_action_of_the_table(web: Any) -> None:
    routes = list(routes_of(web.app.router))
    assert len(routes) > 60
    for route in routes:
        actions = actions_of(route)
        assert len(actions) == 1, f"{route.path} has {len(actions)} actions"
        assert ACTIONS[actions[0].name] is actions[0]
    walked = [door for feature in ("core", *FEATURES) for door in doors_of(feature)]
    assert len(walked) == sum(len(route.methods - {"HEAD"}) for route in routes)


def test_no_get_route_changes_a_state_by_its_name() -> None:
    """Actions that change something are never behind a GET."""
    looks = {"view", "list", "home", "stream", "document", "health", "sign_in", "password", "step_up", "note", "raise"}
    looks |= {"report"}  # the form of who takes reports in
    for feature in ("core", *FEATURES):
        for door in doors_of(feature):
            if door.method == "GET":
                assert door.action.name.rsplit(".", 1)[1] in looks, door


def test_the_table_written_out_is_the_table_in_force(plan: Plan) -> None:
    assert set(WHO) == {name for name, action in ACTIONS.items() if not action.public}
    held: dict[str, set[str]] = {"admin": {"administer", "observe"}}
    asked = {question.position for question in plan.production.signoffs.questions}  # type: ignore[union-attr]
    for position in plan.positions:
        login = position.key if position.seats == 1 else f"{position.key}_1"
        held[login] = {*position.capabilities, "observe"} | ({"sign_off"} if position.key in asked else set())
        leads = any(position.key in phase.lead for phase in plan.phases)
        owns = any(position.key == action.position for phase in plan.phases for action in phase.actions)
        held[login] |= ({"lead"} if leads else set()) | ({"work"} if leads or owns else set())
    assert set(held) == EVERYBODY
    for name, action in ACTIONS.items():
        if action.any_of and name != "metrics.post":
            assert {who for who, rights in held.items() if rights.intersection(action.any_of)} == WHO[name], name


def _fingerprints() -> str:
    rows = "select '{0}', coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from {0} t"
    return " union all ".join(rows.format(table.name) for table in Base.metadata.sorted_tables)


async def digest(web: Any) -> dict[str, str]:
    """A fingerprint of every row of every table."""

    async def query(session: Any) -> dict[str, str]:
        return {name: str(found) for name, found in await session.execute(text(_fingerprints()))}

    result: dict[str, str] = await web.database.read(query)
    return result


async def ask(
    web: Any, client: httpx.AsyncClient, door: Door, plan: Plan, who: str = "", **more: Any
) -> httpx.Response:
    url = door.url(web, plan, who)
    if door.path.endswith("/live"):
        return await ask_stream(web, client, url)
    data = {} if door.method != "GET" and not door.is_api else None
    return await client.request(door.method, url, data=data, **more)


async def ask_stream(web: Any, client: httpx.AsyncClient, url: str) -> httpx.Response:
    """The head of an answer that never ends."""
    head: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    scope = {
        "type": "http",
        "method": "GET",
        "path": url,
        "raw_path": url.encode(),
        "query_string": b"",
        "headers": [(b"cookie", cookies.encode())] if cookies else [],
        "client": ("127.0.0.1", 1),
        "server": ("gonogo.test", 80),
        "scheme": "http",
        "http_version": "1.1",
        "app": web.app,
    }
    location: list[str] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and not head.done():
            location.extend(value.decode() for name, value in message["headers"] if name == b"location")
            head.set_result(message["status"])

    task = asyncio.create_task(web.app(scope, receive, send))
    status = await asyncio.wait_for(head, 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return httpx.Response(status, headers={"location": location[0]} if location else {})


async def cast(web: Any) -> None:
    """A stranger with an account, and rollback grants for those whose position has the right."""

    async def write(session: Any) -> None:
        now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        session.add(Person(login=STRANGER, name="Stranger", created_at=now))
        for login in WHO["traffic.rollback"]:
            person = (await session.execute(select(Person).where(Person.login == login))).scalar_one()
            grant = {"deployment_id": web.deployment.id, "attempt": 1, "person_id": person.id, "position": "any"}
            session.add(RollbackGrant(**grant, granted_at=now))

    await web.database.run(write)


def allowed(door: Door) -> frozenset[str]:
    if door.is_api:
        return frozenset()  # people's sessions open nothing there; tests/api has the tokens
    return frozenset(WHO[door.action.name])


@pytest.mark.timeout(400)
@pytest.mark.parametrize("feature", ["core", *FEATURES])
async def test_who_may_not_is_refused_and_changes_no_row(web: Any, plan: Plan, feature: str) -> None:
    await cast(web)
    clients = {who: await web.client_as(who or None) for who in (*sorted(EVERYBODY), STRANGER, NOBODY)}
    before = await digest(web)
    for door in doors_of(feature):
        if door.action.public:
            continue
        for who, client in clients.items():
            if who in allowed(door):
                continue
            answer = await ask(web, client, door, plan)
            what = f"{door.method} {door.path} as {who or 'nobody'}: {answer.status_code}"
            if door.is_api:
                assert answer.status_code == 401, what
            elif who == NOBODY:
                assert answer.status_code == 303, what
                assert answer.headers["location"].startswith("/sign-in?next="), what
            elif who == STRANGER and door.path.startswith("/d/"):
                assert answer.status_code == 404, what
            else:
                assert answer.status_code == 403, what
        assert await digest(web) == before, f"{door.method} {door.path} changed something for somebody it refused"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("feature", ["core", *FEATURES])
async def test_who_may_is_let_in(web: Any, plan: Plan, feature: str) -> None:
    await cast(web)
    for door in doors_of(feature):
        if door.action.public or door.is_api:
            continue
        for who in sorted(allowed(door)):
            answer = await ask(web, await web.client_as(who), door, plan, who)
            what = f"{door.method} {door.path} as {who}: {answer.status_code}"
            assert answer.status_code not in (401, 403, 500), what
            assert not answer.headers.get("location", "").startswith("/sign-in?"), what


@pytest.mark.timeout(400)
async def test_without_the_pages_token_or_from_another_site_nothing_changes(web: Any, plan: Plan) -> None:
    """Every change, as somebody who may: only the rollback goes without the token (it works from a stale tab)."""
    await cast(web)
    doors = [door for feature in FEATURES for door in doors_of(feature) if door.method != "GET" and not door.is_api]
    logins = {door: sorted(allowed(door))[0] for door in doors if not door.action.public}
    clients = {login: await web.client_as(login) for login in {*logins.values(), "admin"}}
    before = await digest(web)
    for door in doors:
        client = clients[logins.get(door, "admin")]
        cross = await ask(web, client, door, plan, headers={"sec-fetch-site": "cross-site"})
        assert cross.status_code == 403, f"{door.path} from another site: {cross.status_code}"
        if not door.action.public and not door.action.grant:
            bare = await ask(web, client, door, plan, headers={"x-csrf": "another"})
            assert bare.status_code == 409, f"{door.path} without the token: {bare.status_code}"
        assert await digest(web) == before, door.path


@pytest.mark.timeout(400)
async def test_an_old_sign_in_has_to_be_confirmed_where_the_table_says_so(web: Any, plan: Plan) -> None:
    await cast(web)
    doors = [door for feature in FEATURES for door in doors_of(feature) if door.action.step_up]
    assert {door.action.name for door in doors} >= {"signoffs.vote", "deployments.arm", "traffic.switch"}
    clients = {login: await web.client_as(login) for login in {sorted(allowed(door))[0] for door in doors}}
    old = func.clock_timestamp() - text("interval '6 minutes'")
    await web.database.run(lambda session: session.execute(update(WebSession).values(stepped_up_at=old)))
    before = await digest(web)
    for door in doors:
        answer = await ask(web, clients[sorted(allowed(door))[0]], door, plan)
        assert answer.status_code == 403, f"{door.path}: {answer.status_code}"
        assert "/step-up?next=" in answer.text, door.path
    assert await digest(web) == before


def test_neither_voting_nor_arming_nor_switching_goes_without_a_fresh_sign_in() -> None:
    for name in ("signoffs.vote", "deployments.proceed", "deployments.arm", "traffic.switch"):
        assert ACTIONS[name].step_up, name
    assert not ACTIONS["traffic.rollback"].step_up, "a rollback never waits for a password"
    assert [name for name, action in ACTIONS.items() if action.grant] == ["traffic.rollback"]
