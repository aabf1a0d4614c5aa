"""Signing in and out. Attempts are counted before a password is looked at, so that many at once count as well."""

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import passwords
from app.config import Settings
from app.db.engine import Database
from app.db.tables import LoginAttempt, Person, WebSession
from app.domain.errors import Rejected
from app.eventlog.log import INSTALLATION, SYSTEM, Actor, Entry, append
from app.web.access import NotFound, Viewer, session_key

WINDOW = timedelta(minutes=15)
FREE_ATTEMPTS = 5
FREE_ATTEMPTS_OF_ADDRESS = 50
"""An address stands for a whole team behind one router, hence the larger allowance."""
FIRST_WAIT_S = 15
LONGEST_WAIT_S = 300


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was opened. `cookie` is known to the browser only."""

    cookie: str
    person_id: int


@dataclass(frozen=True, slots=True)
class _Found:
    person_id: int | None
    login: str
    stored: str | None


def normalised(login: str) -> str:
    """The form of a login that is stored and compared."""
    return unicodedata.normalize("NFKC", login).strip().lower()[:120]


def wait_after(failures: int, free: int) -> timedelta:
    """How long after its last failure a key has to wait: nothing at first, then twice as long each time, up to five
    minutes. It never grows into a lock-out, because failures are forgotten after `WINDOW`."""
    if failures < free:
        return timedelta(0)
    return timedelta(seconds=min(FIRST_WAIT_S * 2 ** min(failures - free, 10), LONGEST_WAIT_S))


async def sign_in(
    database: Database, settings: Settings, *, login: str, password: str, address: str, replaced: str = ""
) -> Opened:
    """Open a session by name and password; `replaced` is the cookie of the session that it takes the place of.

    Raises Rejected with the code `wait`, `credentials`, or `once` (right, but the password has to be changed first).
    """
    person = await verify(database, login=login, password=password, address=address)
    if passwords.is_for_once(person.password_hash):
        raise Rejected("This password was for one sign-in.", remedy="Choose your own now.", code="once")
    fresh = await passwords.hashed(password) if passwords.is_outdated(person.password_hash or "") else None

    async def write(session: AsyncSession) -> Opened:
        if fresh is not None:
            await session.execute(update(Person).where(Person.id == person.id).values(password_hash=fresh))
        return await open_session(session, settings, person.id, address, replaced)

    return await database.run(write)


async def verify(database: Database, *, login: str, password: str, address: str) -> Person:
    """The person whose name and password these are. Raises Rejected with the code `wait` or `credentials`."""
    name = normalised(login)
    found = await database.run(lambda session: _admit(session, name, address))
    is_right = await passwords.fits(found.stored, password)
    if not is_right:
        await database.run(lambda session: _record_failure(session, found, address))
        raise Rejected("The name or the password is not right.", code="credentials")
    return await database.run(lambda session: _accept(session, found, name, address))


async def _admit(session: AsyncSession, login: str, address: str) -> _Found:
    for key, free in ((f"{login} {address}", FREE_ATTEMPTS), (address, FREE_ATTEMPTS_OF_ADDRESS)):
        await _count_attempt(session, key, free)
    row = (await session.execute(select(Person).where(Person.login == login))).scalar_one_or_none()
    if row is None or row.is_disabled:
        return _Found(None, login, None)
    return _Found(row.id, login, row.password_hash)


async def _count_attempt(session: AsyncSession, key: str, free: int) -> None:
    # One after another for a key: a hundred requests at once must not all see the count before them.
    await session.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"login {key}"})
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    row = await session.execute(
        select(func.count(), func.max(LoginAttempt.at)).where(LoginAttempt.key == key, LoginAttempt.at > now - WINDOW)
    )
    failures, last = row.one()
    left = (last + wait_after(failures, free) - now).total_seconds() if last is not None else 0
    if left > 0:
        raise Rejected(
            f"There were {failures} attempts that failed. Nothing was checked this time.",
            remedy=f"Try again in {int(left) + 1} s.",
            code="wait",
        )
    session.add(LoginAttempt(key=key, at=now))
    await session.flush()


async def _record_failure(session: AsyncSession, found: _Found, address: str) -> None:
    # A name nobody has is not written down: people type passwords into the wrong field.
    whom = f"for {found.login}" if found.person_id is not None else "for a name nobody has, or a disabled one"
    await append(
        session,
        INSTALLATION,
        Entry("accounts.sign_in.failed", f"Sign-in {whom} failed", cause=f"from {address}", severity="warn"),
        SYSTEM,
    )


async def _accept(session: AsyncSession, found: _Found, login: str, address: str) -> Person:
    """Forget the failures of this name from here and sweep old ones; the address keeps those of other names."""
    person = (await session.execute(select(Person).where(Person.id == found.person_id).with_for_update())).scalar_one()
    if person.is_disabled:
        raise Rejected("The name or the password is not right.", code="credentials")
    await session.execute(delete(LoginAttempt).where(LoginAttempt.key == f"{login} {address}"))
    newest = select(func.max(LoginAttempt.id)).where(LoginAttempt.key == address).scalar_subquery()
    await session.execute(delete(LoginAttempt).where(LoginAttempt.id == newest))
    await session.execute(delete(LoginAttempt).where(LoginAttempt.at < func.clock_timestamp() - WINDOW))
    return person


async def choose_person(
    session: AsyncSession, settings: Settings, person_id: int, address: str, replaced: str = ""
) -> Opened:
    """Be somebody with one click. Exists in the rehearsal range only; elsewhere there is no such thing."""
    if not settings.is_range:
        raise NotFound("There is no such page.")
    person = await session.get(Person, person_id)
    if person is None or person.is_disabled:
        raise NotFound("There is no such person in this rehearsal.")
    return await open_session(session, settings, person.id, address, replaced)


async def open_session(
    session: AsyncSession, settings: Settings, person_id: int, address: str, replaced: str = ""
) -> Opened:
    """A new session with new random bits, freshly stepped up; the browser's former one ends."""
    if replaced:
        await _end(session, WebSession.id_hash == session_key(settings, replaced))
    raw = secrets.token_urlsafe(32)
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    session.add(
        WebSession(
            id_hash=session_key(settings, raw),
            person_id=person_id,
            csrf=secrets.token_urlsafe(32),
            created_at=now,
            seen_at=now,
            stepped_up_at=now,
        )
    )
    person = await session.get_one(Person, person_id)
    entry = Entry("accounts.signed_in", f"{person.name} signed in", cause=f"from {address}")
    await append(session, INSTALLATION, entry, Actor(person.name, person_id))
    return Opened(raw, person_id)


async def change_password(
    database: Database, settings: Settings, *, login: str, password: str, chosen: str, address: str, replaced: str = ""
) -> Opened:
    """Put the chosen password in the place of the present one (also one for once), end all other sessions of this
    person and open one here. Raises Rejected with the code `wait`, `credentials` or `password`."""
    person = await verify(database, login=login, password=password, address=address)
    passwords.check_chosen(chosen, person.login)
    if chosen == password:
        raise Rejected("This is the password you have now.", remedy="Choose another.", code="password")
    stored = await passwords.hashed(chosen)

    async def write(session: AsyncSession) -> Opened:
        await session.execute(update(Person).where(Person.id == person.id).values(password_hash=stored))
        await end_sessions(session, person.id)
        entry = Entry("accounts.password.changed", f"{person.name} chose a new password", cause=f"from {address}")
        await append(session, INSTALLATION, entry, Actor(person.name, person.id))
        return await open_session(session, settings, person.id, address, replaced)

    return await database.run(write)


async def step_up(database: Database, settings: Settings, viewer: Viewer, password: str, address: str) -> None:
    """Confirm that it is still this person: by the password, in the range by one click."""
    if not settings.is_range:
        await verify(database, login=viewer.login, password=password, address=address)

    async def write(session: AsyncSession) -> None:
        await session.execute(
            update(WebSession)
            .where(WebSession.id_hash == viewer.session_hash, WebSession.ended_at.is_(None))
            .values(stepped_up_at=func.clock_timestamp())
        )
        entry = Entry("accounts.stepped_up", f"{viewer.name} confirmed the sign-in", cause=f"from {address}")
        await append(session, INSTALLATION, entry, Actor(viewer.name, viewer.person_id))

    await database.run(write)


async def sign_out(session: AsyncSession, viewer: Viewer) -> None:
    await _end(session, WebSession.id_hash == viewer.session_hash)
    entry = Entry("accounts.signed_out", f"{viewer.name} signed out")
    await append(session, INSTALLATION, entry, Actor(viewer.name, viewer.person_id))


async def end_sessions(session: AsyncSession, person_id: int) -> None:
    """End every session of a person; open streams notice within 5 s."""
    await _end(session, WebSession.person_id == person_id)


async def _end(session: AsyncSession, which: ColumnElement[bool]) -> None:
    statement = update(WebSession).where(which, WebSession.ended_at.is_(None))
    await session.execute(statement.values(ended_at=func.clock_timestamp()))
