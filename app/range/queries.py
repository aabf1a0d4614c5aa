"""Reads of the range: its knobs and processes in words, and whether another rehearsal may begin."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, TargetState
from app.domain.deployments import WORDS, State
from app.eventlog.log import versions_of
from app.ports.traffic import ProviderError
from app.providers.range_control import RangeControl
from app.range.queries_cards import cards_of, presets_of
from app.range.queries_words import Knobs, wrong
from app.range.views import (
    CustomersCount,
    FailureRow,
    HeadlineView,
    KnobsView,
    ProcessRow,
    RangePage,
    RehearsalView,
    StatusView,
    Tone,
)
from app.web.access import Scope

ENDED = frozenset({State.ROLLED_BACK, State.COMPLETED, State.ABORTED})
"""Nothing more is to come in these, unless somebody opens another attempt."""

FAILURES = 8


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Life(_Shape):
    pid: int | None
    running: bool
    restarts: int


class _Release(_Life):
    side: str
    version: str
    url: str


class _Failure(_Shape):
    at: datetime
    side: str
    path: str
    status: int | None = None
    error: str = ""


class _Count(_Shape):
    requests: int
    failed: int
    per_second: float
    by_side: dict[str, int]
    failures: list[_Failure]


class _Customers(_Life):
    count: _Count | None


class RangeStatus(_Shape):
    """docs/range.md, `Status`."""

    public_url: str
    releases: list[_Release]
    balancer: _Life
    customers: _Customers
    knobs: dict[str, dict[str, Any]]


async def status_of(control: RangeControl) -> RangeStatus:
    """Raises ProviderError."""
    try:
        return RangeStatus.model_validate(await control.status())
    except ValidationError as error:
        raise ProviderError(f"/status answered something else than docs/range.md says: {error}") from error


async def page_of(session: AsyncSession, scope: Scope, found: RangeStatus | str) -> RangePage:
    """`found` is the range's status, or why there is none."""
    versions = await versions_of(session, scope.id)
    why_not = await why_no_rehearsal(session, scope.deployment.target)
    may_start = scope.may("proceed") or scope.may("administer")
    return RangePage(
        headline=headline_view(scope, found, versions),
        knobs=knobs_view(scope, found, versions),
        status=status_view(scope, found, versions),
        rehearsal=RehearsalView(f"/d/{scope.id}/range/rehearsals", may_start, why_not),
    )


def headline_view(scope: Scope, found: RangeStatus | str, versions: Mapping[str, int]) -> HeadlineView:
    title, text = _headline(found)
    public_url = "" if isinstance(found, str) else found.public_url
    return HeadlineView(f"/d/{scope.id}/range/_headline", title, text, public_url, versions)


def _headline(found: RangeStatus | str) -> tuple[str, str]:
    if isinstance(found, str):
        return "The range does not answer", "Nothing can be turned until it does. Look where `make run` was started."
    names = {"blue": "BLUE", "green": "GREEN", "balancer": "The balancer", "aws": "AWS"}
    names |= {"github": "GitHub’s stand-in", "slotbook": "The slot book’s stand-in"}
    faults = [f"{name}: {said}" for group, name in names.items() if (said := wrong(group, found.knobs.get(group, {})))]
    if not faults:
        return "All is well in the range", "Make something go wrong, and see whether the team finds out."
    return "Something is wrong on purpose", "; ".join(faults) + ". “All well” puts it right."


def may_turn(scope: Scope) -> bool:
    """As accounts/policy.py has it for `range.turn`."""
    return any(scope.may(right) for right in ("administer", "switch", "proceed"))


def has_aws(scope: Scope) -> bool:
    """True where the deployment's target is bound to a simulated AWS."""
    return scope.deployment.binding.get("provider") == "aws"


def knobs_view(
    scope: Scope,
    found: RangeStatus | str,
    versions: Mapping[str, int],
    *,
    sent: tuple[str, Mapping[str, str], Mapping[str, str]] | None = None,
) -> KnobsView:
    """`sent` is (group, values as sent, errors by field) of a form that was refused."""
    url = f"/d/{scope.id}/range"
    if isinstance(found, str):
        return KnobsView(url, (), (), may_turn(scope), versions, found)
    knobs: Knobs = found.knobs
    return KnobsView(url, presets_of(knobs), cards_of(knobs, sent, has_aws=has_aws(scope)), may_turn(scope), versions)


def status_view(scope: Scope, found: RangeStatus | str, versions: Mapping[str, int]) -> StatusView:
    url, zone = f"/d/{scope.id}/range/_status", scope.plan.timezone
    if isinstance(found, str):
        return StatusView(url, "", (), None, zone, versions, found)
    rows = [
        ProcessRow(
            key=release.side.lower(),
            title=f"Release {release.side}",
            side=release.side,
            version=release.version,
            **_life(release, found.knobs.get(release.side.lower(), {}), release.side.lower()),
            address=release.url,
            may_restart=may_turn(scope),
        )
        for release in found.releases
    ]
    balancer = _life(found.balancer, found.knobs.get("balancer", {}), "balancer")
    rows.append(ProcessRow("balancer", "Balancer", "", "", **balancer, address=found.public_url))
    rows.append(ProcessRow("customers", "Customers", "", "", **_life(found.customers, {}, "customers")))
    return StatusView(url, found.public_url, tuple(rows), _count(found.customers.count), zone, versions)


def _life(life: _Life, knobs: Mapping[str, Any], group: str) -> dict[str, Any]:
    said = wrong(group, knobs)
    state: Tone = "ok" if life.running and not said else "warn" if life.running else "crit"
    word = said if said and life.running else "Running" if life.running else "Dead"
    return {"state": state, "word": word, "pid": life.pid if life.running else None, "restarts": life.restarts}


def _count(count: _Count | None) -> CustomersCount | None:
    if count is None:
        return None
    newest = sorted(count.failures, key=lambda failure: failure.at, reverse=True)[:FAILURES]
    return CustomersCount(
        requests=count.requests,
        failed=count.failed,
        per_second=count.per_second,
        blue=count.by_side.get("BLUE", 0),
        green=count.by_side.get("GREEN", 0),
        failures=tuple(
            FailureRow(f.at, f.side, f.path, f.error or (f"status {f.status}" if f.status else "no answer"))
            for f in newest
        ),
    )


def why_not_bound(targets: Collection[str], target: str) -> str:
    """Why this range cannot rehearse a plan that steers `target`; empty if it steers that too."""
    if target in targets:
        return ""
    steered = ", ".join(sorted(targets)) or "nothing"
    return f"This range steers {steered}, and the plan steers {target}. A range of its own: `gonogo up --plan FILE`."


async def why_no_rehearsal(session: AsyncSession, target: str) -> str:
    """Why another rehearsal cannot begin on a target now; empty if it can. It needs BLUE in service, because that is
    where a rehearsal starts, and nobody else on the target."""
    rows = (await session.scalars(select(Deployment).where(Deployment.target == target))).all()
    open_ones = [row for row in rows if State(row.state) not in ENDED]
    if open_ones:
        state = WORDS[State(open_ones[-1].state)]
        return f"Rehearsal {open_ones[-1].id} is under way ({state}). Roll it back, complete it or abort it first."
    found = await session.get(TargetState, target, populate_existing=True)
    if found is not None and found.set_blue is not None and found.set_blue != 100:
        return f"{100 - found.set_blue} % of traffic is on GREEN. Roll back first: a rehearsal starts from BLUE."
    return ""
