"""The whole capability × action table: what each route needs. Deny by default.

Capabilities come from the plan's positions (and `sign_off` from its questions, `lead` and `work` from its phases,
`administer` from the account).
`may(name)` guards a route under /d/{deployment_id}, `signed_in(name)` one outside, `token_may(name)` one of the JSON
API, `anybody(name)` a public one.
One generated test tries every route as every position and as nobody.
"""

from collections.abc import Awaitable, Callable

from app.web.access import Action, Scope, Viewer, public, require_scope, require_viewer
from app.web.bearer import Machine, require_token

_TABLE = (
    # name                            any of these capabilities
    Action("accounts.sign_in", public=True),
    Action("accounts.sign_out"),
    Action("accounts.step_up"),
    Action("accounts.password", public=True),
    Action("accounts.tokens.view", ("administer",)),
    Action("accounts.tokens.manage", ("administer",), step_up=True),
    Action("accounts.people.view", ("administer",)),
    Action("accounts.people.manage", ("administer",), step_up=True),
    Action("overview.list"),
    Action("overview.home", ("observe",)),
    Action("deployments.view", ("observe",), token="read"),
    Action("deployments.create", ("administer",)),
    Action("roster.view", ("observe",)),
    # Who leads the day replaces somebody who is ill without waiting for an administrator; nobody seats themselves.
    Action("roster.change", ("administer", "proceed"), step_up=True),
    # A word about who presses first; it gives nobody a right. The command asks who has the hand, or is offered it.
    Action("roster.hand", ("rollback",)),
    Action("roster.arrive", ("note", "check")),
    Action("deployments.proceed", ("proceed",), step_up=True),
    Action("deployments.arm", ("arm",), step_up=True),
    Action("deployments.hold", ("hold",)),
    Action("deployments.resume", ("hold",)),
    Action("deployments.reschedule", ("hold",)),
    Action("deployments.abort", ("hold",), step_up=True),
    Action("deployments.reopen", ("hold",)),
    Action("deployments.complete", ("proceed",)),
    Action("signoffs.view", ("observe",), token="read"),
    Action("signoffs.vote", ("sign_off",), step_up=True),
    Action("signoffs.withdraw", ("sign_off",)),
    Action("checklists.view", ("observe",), token="read"),
    Action("checklists.tick", ("check",)),
    # Everybody who works on the day: their own readiness, and their position's duties.
    Action("checklists.own", ("note", "check")),
    Action("phases.view", ("observe",), token="read"),
    # Whoever leads a phase runs it; the command asks for `lead:<phase>`, so that nobody runs another's.
    Action("phases.start", ("lead", "proceed")),
    Action("phases.complete", ("lead", "proceed")),
    Action("phases.hold", ("lead", "hold")),
    Action("phases.resume", ("lead", "hold")),
    Action("phases.reschedule", ("lead", "hold")),
    Action("phases.abort", ("hold",), step_up=True),
    # One asks, another of another position agrees.
    Action("phases.skip", ("lead", "proceed", "hold")),
    # Rehearsals only: the plan clock.
    Action("phases.clock", ("administer", "lead", "proceed")),
    Action("steps.work", ("work",)),
    Action("steps.decide", ("lead", "proceed")),
    # The commands ask whose phase it is, and whose word its gate waits for.
    Action("canary.view", ("observe",)),
    Action("canary.lead", ("lead", "proceed")),
    Action("canary.speak", ("work",)),
    Action("canary.take_back", ("rollback", "lead", "proceed", "work")),
    # It acts on the outside, with the team's own credentials.
    Action("scripts.run", ("work",), step_up=True),
    Action("scripts.abort", ("work", "lead", "proceed")),
    Action("traffic.view", ("observe",), token="read"),
    Action("traffic.switch", ("switch",), step_up=True),
    Action("traffic.rollback", ("rollback",), grant=True, token="rollback"),
    Action("traffic.acknowledge", ("proceed", "decide")),
    Action("metrics.view", ("observe",)),
    Action("metrics.post", ("administer",), token="readings"),
    Action("triggers.view", ("observe",)),
    Action("triggers.hold", ("rollback", "hold")),
    Action("triggers.raise", ("raise_alert",)),
    Action("alerts.receive", public=True),
    Action("decisions.view", ("observe",), token="read"),
    # Whom the clock asks is decided by the domain; leading the day is enough to be asked at all.
    Action("decisions.answer", ("decide", "proceed")),
    Action("incidents.view", ("observe",), token="read"),
    Action("incidents.raise", ("observe",)),
    Action("incidents.answer", ("note",)),
    Action("incidents.decide", ("decide", "proceed")),
    Action("incidents.report", ("communicate",)),
    Action("incidents.settle", ("note",)),
    Action("freeze.view", ("observe",)),
    Action("freeze.change", ("proceed", "decide")),
    Action("freeze.ask", ("ask_patch",)),
    Action("freeze.answer", ("approve_patch",)),
    Action("timeline.view", ("observe",), token="read"),
    Action("timeline.note", ("note",)),
    Action("plans.view", ("observe",)),
    # Plans are no secrets among those who work here; taking one up changes nothing that runs.
    Action("plans.list"),
    Action("plans.take_up", ("administer",)),
    Action("plans.schema.view", public=True),
    Action("realtime.stream", ("observe",)),
    Action("range.view", ("observe",)),
    Action("range.turn", ("administer", "switch", "proceed")),
    Action("range.rehearse", ("administer", "proceed")),
    Action("gallery.view"),
    Action("product.health", public=True),
    Action("api.document", public=True),
)

ACTIONS: dict[str, Action] = {action.name: action for action in _TABLE}


def may(name: str) -> Callable[..., Awaitable[Scope]]:
    """Guard a route of a deployment; the dependency's value is the Scope."""
    return require_scope(ACTIONS[name])


def signed_in(name: str) -> Callable[..., Awaitable[Viewer]]:
    """Guard a route outside any deployment; the dependency's value is the Viewer."""
    return require_viewer(ACTIONS[name])


def token_may(name: str) -> Callable[..., Awaitable[Machine]]:
    """Guard a route of the JSON API; the dependency's value is the Machine. Only actions with a scope have any."""
    action = ACTIONS[name]
    if not action.token:
        raise ValueError(f"{name} is open to no token")
    return require_token(action)


def anybody(name: str) -> Callable[..., Awaitable[None]]:
    """Mark a route as public. Only sign-in, the product's own health and the API's description are, and the
    alerts, whose deliveries prove themselves by a signature."""
    action = ACTIONS[name]
    if not action.public:
        raise ValueError(f"{name} is not a public action")
    return public(action)
