"""Reads of the log: lines by filter and page, their counts, the proof of the chain."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Event, EventChain, Operation, RosterSeat
from app.domain.plan import Position
from app.eventlog.log import verify_chain, versions_of
from app.timeline import queries_probes as probes
from app.timeline.commands import NOTE
from app.timeline.views import ChainView, Choice, FactsView, Line, ListView, Pill, Show
from app.web.access import Scope
from app.web.figures import MINUS, day, took

PAGE = 100
CUT = 240
"""Characters of a line in a panel of another page."""
DECISIONS = ("deployment", "signoffs", "checklists", "decisions", "incidents", "phases")
MEASURED = ("metrics", "triggers")
_PILLS: tuple[tuple[Show, str, str], ...] = (
    ("all", "All", ""),
    ("decisions", "Decisions", ""),
    ("traffic", "Traffic", ""),
    ("metrics", "Metrics", ""),
    ("notes", "Notes", ""),
    ("problems", "Problems", "warn"),
)
"""With probes and seats they are eight, in one line: only what is trouble has a mark."""
_ICONS = {
    "signoffs": "board",
    "checklists": "list",
    "phases": "clock",
    "steps": "list",
    "traffic": "traffic",
    "metrics": "wall",
    "triggers": "wall",
    "decisions": "clock",
    "incidents": "crit",
    "reports": "note",
    "range": "flask",
    "accounts": "key",
    "timeline": "note",
}
_HELD = ("deployment.held", "deployment.gate.expired")


async def lines(session: AsyncSession, scope: Scope, choice: Choice) -> ListView:
    """A page of the timeline, newest first, with what was chosen."""
    versions = await versions_of(session, scope.id)
    wanted = select(Event).where(Event.chain == scope.id, _filter(choice.show), await _of_seat(session, scope, choice))
    if choice.before:
        wanted = wanted.where(Event.seq < choice.before)
    found = list(await session.scalars(wanted.order_by(Event.seq.desc()).limit(PAGE + 1)))
    events, has_more = found[:PAGE], len(found) > PAGE
    shown = [_line(event, scope) for event in events]
    if choice.probes:
        shown += await _probe_lines(session, scope, choice, events, has_more=has_more)
        shown.sort(key=lambda line: line.at, reverse=True)
    base = f"/d/{scope.id}/timeline"
    earlier = base + replace(choice, before=events[-1].seq).query if has_more else ""
    return ListView(
        pills=await _pills(session, scope, choice, base),
        seats=_seats(scope, choice, base),
        seat_title=next((p.title for p in scope.plan.positions if p.key == choice.seat), "Everybody"),
        probes=Pill("Probes", "machine", base + replace(choice, probes=not choice.probes).query, choice.probes),
        lines=_with_days(shown, scope.plan.timezone, scope.now),
        zone=scope.plan.timezone,
        url=f"{base}/_list{choice.query}" if not choice.before else "",
        earlier_url=earlier,
        newest_url=base + replace(choice, before=0).query if choice.before else "",
        versions=versions,
    )


async def newest(session: AsyncSession, scope: Scope, limit: int) -> tuple[Line, ...]:
    """The newest lines, for a panel of another page: a long one is cut there, and whole in the timeline."""
    wanted = select(Event).where(Event.chain == scope.id).order_by(Event.seq.desc()).limit(limit)
    found = [_line(event, scope) for event in await session.scalars(wanted)]
    return tuple(replace(line, what=cut(line.what)) for line in found)


def cut(text: str, most: int = CUT) -> str:
    """As many characters as a panel has room for."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _filter(show: Show) -> ColumnElement[bool]:
    family = func.split_part(Event.kind, ".", 1)
    match show:
        case "decisions":
            return family.in_(DECISIONS)
        case "traffic":
            return family == "traffic"
        case "metrics":
            return family.in_(MEASURED)
        case "notes":
            return Event.kind == NOTE
        case "problems":
            return Event.severity != "normal"
        case "all":
            return true()


async def _of_seat(session: AsyncSession, scope: Scope, choice: Choice) -> ColumnElement[bool]:
    if not choice.seat:
        return true()
    held = select(RosterSeat.person_id).where(RosterSeat.deployment_id == scope.id, RosterSeat.position == choice.seat)
    people = list(await session.scalars(held))
    return Event.actor_person_id.in_(people)


async def _pills(session: AsyncSession, scope: Scope, choice: Choice, base: str) -> tuple[Pill, ...]:
    counts = [func.count().filter(_filter(show)) for show, _, _ in _PILLS]
    seat = await _of_seat(session, scope, choice)
    row = (await session.execute(select(*counts).where(Event.chain == scope.id, seat))).one()
    return tuple(
        Pill(title, icon, base + replace(choice, show=show, before=0).query, choice.show == show, count)
        for (show, title, icon), count in zip(_PILLS, row, strict=True)
    )


def _seats(scope: Scope, choice: Choice, base: str) -> tuple[Pill, ...]:
    def pill(position: Position | None) -> Pill:
        key = position.key if position else ""
        url = base + replace(choice, seat=key, before=0).query
        return Pill(position.title if position else "Everybody", "person", url, choice.seat == key)

    return tuple(pill(position) for position in (None, *scope.plan.positions))


def _line(event: Event, scope: Scope) -> Line:
    family = event.kind.split(".", 1)[0]
    icon = "hold" if event.kind in _HELD else _ICONS.get(family, "person" if event.actor_person_id else "machine")
    return Line(
        key=str(event.seq),
        at=event.at,
        icon=icon,
        who=event.actor,
        what=event.text,
        cause=event.cause,
        offset=offset(event.at, t_zero(scope)),
        state=event.severity if event.severity != "normal" else "",
        milli=family == "traffic",
    )


async def _probe_lines(
    session: AsyncSession, scope: Scope, choice: Choice, events: Sequence[Event], *, has_more: bool
) -> list[Line]:
    """What the probes saw between the page's oldest event and the next newer one (or now)."""
    newest = scope.now
    if choice.before:
        above = select(Event.at).where(Event.chain == scope.id, Event.seq == choice.before)
        newest = (await session.execute(above)).scalar_one_or_none() or scope.now
    oldest = events[-1].at if events and has_more else scope.deployment.created_at
    minutes = await probes.minutes(session, scope.deployment.target, oldest, newest)
    zone = ZoneInfo(scope.plan.timezone)
    return [
        Line(
            key=f"probes-{run.first:%Y%m%dT%H%M}",
            at=run.first,
            icon="machine",
            who="Prober",
            what=probes.sentence(run, zone),
            cause=f"slowest answer {run.slowest_ms:.0f} ms",
            offset=offset(run.first, t_zero(scope)),
            state=run.state,
        )
        for run in probes.runs(minutes, [event.at for event in events])
    ]


def _with_days(found: Sequence[Line], zone: str, now: datetime) -> tuple[Line, ...]:
    """Mark the lines above which another day ends; today needs no mark at the top."""
    above = day(now, zone)
    marked = []
    for line in found:
        own = day(line.at, zone)
        marked.append(replace(line, day=own) if own != above else line)
        above = own
    return tuple(marked)


def t_zero(scope: Scope) -> datetime:
    """The moment of the switch, before it the planned one."""
    return scope.deployment.switched_at or scope.deployment.planned_at


def offset(at: datetime, zero: datetime) -> str:
    """T+12:31 after the switch, T−30:05 before it, T−1:05:00 beyond an hour."""
    seconds = int((at - zero).total_seconds() // 1)
    sign, left = ("+", seconds) if seconds >= 0 else (MINUS, -seconds)
    hours, rest = divmod(left, 3600)
    minutes, secs = divmod(rest, 60)
    return f"T{sign}{hours}:{minutes:02}:{secs:02}" if hours else f"T{sign}{minutes:02}:{secs:02}"


async def facts(session: AsyncSession, scope: Scope) -> FactsView:
    """What was measured so far: of the newest switch, of the newest rollback, and by the probes since."""
    versions = await versions_of(session, scope.id)
    own = (Operation.deployment_id == scope.id) & (Operation.target == scope.deployment.target)
    statement = select(Operation).where(own).order_by(Operation.id.desc())
    newest: dict[str, Operation] = {}
    for operation in await session.scalars(statement.limit(20)):
        newest.setdefault(operation.kind, operation)
    rows: list[tuple[str, str]] = []
    for kind, title in (("switch", "Switch"), ("rollback", "Rollback")):
        if kind in newest:
            rows += _measured(title, newest[kind])
    if "switch" in newest:
        dark = await probes.dark_seconds(session, scope.deployment.target, newest["switch"].accepted_at)
        rows.append(("Seconds without any answer since", took(dark) if dark else "0 s"))
    return FactsView(tuple(rows), f"/d/{scope.id}/timeline/_facts", versions)


def _measured(title: str, operation: Operation) -> list[tuple[str, str]]:
    def since(moment: datetime | None) -> str:
        return took((moment - operation.clicked_at).total_seconds()) if moment is not None else took(None)

    rows = [(f"{title}, click to accepted", since(operation.written_at))]
    rows.append((f"{title}, click to 100 %", since(operation.observed_100_at)))
    if operation.verified_at is not None:
        rows.append((f"{title}, click to verified", since(operation.verified_at)))
    if operation.customers_requests is not None:
        failed = f"{operation.customers_failed or 0:,} of {operation.customers_requests:,}"
        rows.append((f"{title}, failed customers' requests", failed))
    return rows


async def chain_state(session: AsyncSession, scope: Scope) -> ChainView:
    """Check every line of this deployment's log against its hash; reads the whole chain."""
    first_bad = await verify_chain(session, scope.id)
    count = select(EventChain.seq).where(EventChain.chain == scope.id)
    total = (await session.execute(count)).scalar_one_or_none() or 0
    return ChainView(f"/d/{scope.id}/timeline/verify", total, first_bad, scope.now, scope.plan.timezone)
