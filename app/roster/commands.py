"""Writes on a roster: each locks the deployment's row, asks the domain, writes seats, grants and event in one
transaction."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, Person, RollbackGrant, RosterSeat
from app.deployments.commands import database_now, grant_to, lock
from app.domain import roster as seats
from app.domain.deployments import State
from app.domain.errors import Rejected
from app.domain.plan import Position
from app.domain.roster import Candidate, Changer, Seating, Sitter, Standing
from app.domain.signoff_words import in_sentence, listed, possessive
from app.domain.signoffs import Verdict, Vote
from app.eventlog.log import Entry, Topic, append
from app.roster.forms import SeatForm, TakeForm
from app.roster.queries import roster_of
from app.signoffs.queries import VOTING, holders_of, standing_votes
from app.web.access import Scope

_TOPICS: tuple[Topic, ...] = ("team", "deployment", "signoffs", "checklists", "traffic")
"""A seat decides what its holder sees and may press: every panel that knows people is told."""


async def take_seat(session: AsyncSession, scope: Scope, form: TakeForm) -> None:
    """Put somebody on a seat, in place of whoever sits there. Raises Rejected. The same press twice is one."""
    deployment = await lock(session, scope.id)
    seating = seats.take(
        scope.plan,
        await roster_of(session, scope.id),
        await _standing(session, deployment),
        _changer(scope),
        position=form.position,
        seat=form.seat,
        person=await _candidate(session, form.person),
        shown=form.shown,
    )
    if seating is not None:
        await _write(session, scope, deployment, seating)


async def free_seat(session: AsyncSession, scope: Scope, form: SeatForm) -> None:
    """Leave a seat empty, or take a deputy off. Raises Rejected. The same press twice is one."""
    deployment = await lock(session, scope.id)
    seating = seats.free(
        scope.plan,
        await roster_of(session, scope.id),
        await _standing(session, deployment),
        _changer(scope),
        position=form.position,
        seat=form.seat,
        shown=form.shown,
    )
    if seating is not None:
        await _write(session, scope, deployment, seating)


def _changer(scope: Scope) -> Changer:
    return Changer(scope.viewer.person_id, scope.viewer.is_admin)


async def _candidate(session: AsyncSession, person_id: int) -> Candidate:
    """Locked against being disabled meanwhile; a deployment's row is always locked before a person's."""
    statement = select(Person).where(Person.id == person_id).with_for_update(read=True)
    person = (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()
    if person is None:
        raise Rejected("Nobody was chosen. Nothing was changed.", remedy="Choose a person.", code="person")
    return Candidate(person.id, person.name, person.is_disabled)


async def _standing(session: AsyncSession, deployment: Deployment) -> Standing:
    holders = await session.scalars(
        select(RollbackGrant.person_id)
        .join(Person, Person.id == RollbackGrant.person_id)
        .where(
            RollbackGrant.deployment_id == deployment.id,
            RollbackGrant.revoked_at.is_(None),
            Person.is_disabled.is_(False),
        )
    )
    return Standing(State(deployment.state), deployment.armed_at is not None, frozenset(holders))


async def _write(session: AsyncSession, scope: Scope, deployment: Deployment, seating: Seating) -> None:
    for sitter in seating.gets_up:
        await session.execute(
            delete(RosterSeat).where(
                RosterSeat.deployment_id == deployment.id,
                RosterSeat.position == sitter.position,
                RosterSeat.seat == sitter.seat,
            )
        )
    sits = seating.sits
    if sits is not None:
        # A new row: whoever sits down was not seen on this seat yet.
        session.add(
            RosterSeat(
                deployment_id=deployment.id,
                position=sits.position,
                seat=sits.seat,
                person_id=sits.person_id,
                is_deputy=sits.is_deputy,
            )
        )
        await session.flush()
    now = await database_now(session)
    for person_id in sorted(seating.granted):
        await grant_to(session, deployment, person_id, seating.position.key, now)
    if seating.revoked:
        await session.execute(
            update(RollbackGrant)
            .where(
                RollbackGrant.deployment_id == deployment.id,
                RollbackGrant.person_id.in_(seating.revoked),
                RollbackGrant.revoked_at.is_(None),
            )
            .values(revoked_at=func.clock_timestamp())
        )
    lost = await _votes_lost(session, deployment, seating)
    entry = Entry(
        "roster.seat.taken" if sits is not None else "roster.seat.freed",
        _text(scope, seating, lost),
        _TOPICS,
        cause=_rollback_words(seating),
        severity="warn" if lost or seating.revoked else "normal",
        payload={
            "position": seating.position.key,
            "seat": seating.seat,
            "sits": sits.person_id if sits else None,
            "gets_up": [sitter.person_id for sitter in seating.gets_up],
            "granted": sorted(seating.granted),
            "revoked": sorted(seating.revoked),
            "votes_lost": [vote.question for vote in lost],
        },
    )
    await append(session, deployment.id, entry, scope.actor)


async def _votes_lost(session: AsyncSession, deployment: Deployment, seating: Seating) -> list[Vote]:
    """The standing GO votes that count no more, because their voter got up."""
    if State(deployment.state) not in VOTING:
        return []
    gone = {sitter.person_id for sitter in seating.gets_up}
    holders = await holders_of(session, deployment.id)
    return [
        vote
        for vote in await standing_votes(session, deployment)
        if vote.person_id in gone
        and vote.verdict is Verdict.GO
        and vote.person_id not in holders.get(vote.position, frozenset())
    ]


def _text(scope: Scope, seating: Seating, lost: Sequence[Vote]) -> str:
    sits, place = seating.sits, seating.position
    left = [s for s in seating.gets_up if sits is None or s.person_id != sits.person_id]
    if sits is None:
        text = f"{scope.seat_title} took {left[0].name} off {_seat_words(place, left[0])}"
    else:
        instead = f" in place of {left[0].name}" if left else ""
        text = f"{scope.seat_title} put {sits.name} on {_seat_words(place, sits)}{instead}"
    if lost:
        titles = [possessive(scope.plan.position(vote.position).title) for vote in lost]
        text += f"; {listed(titles)} GO is OUTDATED"
    return text


def _seat_words(place: Position, sitter: Sitter) -> str:
    """ "DevOps, seat 2", "security officer", "security officer as a deputy"."""
    title = in_sentence(place.title)
    if sitter.is_deputy:
        return f"{title} as a deputy"
    return f"{title}, seat {sitter.seat}" if place.seats > 1 else title


def _rollback_words(seating: Seating) -> str:
    """What became of the rollback right, for the line under the event."""
    names = {sitter.person_id: sitter.name for sitter in seating.gets_up}
    if seating.sits is not None:
        names[seating.sits.person_id] = seating.sits.name
    parts = [f"{names[person_id]} can roll back from now on" for person_id in sorted(seating.granted)]
    parts += [f"{names[person_id]} can no longer roll back" for person_id in sorted(seating.revoked)]
    return "; ".join(parts)
