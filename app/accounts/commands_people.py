"""Accounts of people: made, disabled, enabled, given a new password to begin with."""

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import passwords
from app.accounts.commands import end_sessions, normalised
from app.db.engine import Database
from app.db.tables import Person, RollbackGrant, RosterSeat
from app.domain.errors import Rejected
from app.eventlog.log import INSTALLATION, SYSTEM, Actor, Entry, append, touch
from app.web.access import NotFound


async def create_person(
    database: Database, actor: Actor, *, login: str, name: str, is_admin: bool, phone: str = ""
) -> str:
    """A new account; returns its first password, which is shown once and stored nowhere."""
    password = passwords.printed()
    stored = await passwords.hashed(password, once=True)

    async def write(session: AsyncSession) -> None:
        person = await _insert(session, login=login, name=name, stored=stored, is_admin=is_admin, phone=phone)
        rights = ", an administrator" if is_admin else ""
        await append(session, INSTALLATION, Entry("accounts.person.created", f"{person.name} was added{rights}"), actor)

    await database.run(write)
    return password


async def create_first_admin(database: Database, login: str, name: str, password: str) -> None:
    """The first administrator of a live installation (`gonogo admin create`). Raises Rejected if there is one, or
    if the password is not fit."""
    passwords.check_chosen(password, normalised(login))
    stored = await passwords.hashed(password)

    async def write(session: AsyncSession) -> None:
        await _one_at_a_time(session)
        if await _administrators(session):
            raise Rejected(
                "There is an administrator already.",
                remedy="Sign in as one and add others on the page People.",
                code="admin_exists",
            )
        person = await _insert(session, login=login, name=name, stored=stored, is_admin=True)
        entry = Entry("accounts.person.created", f"{person.name} was added, the first administrator")
        await append(session, INSTALLATION, entry, SYSTEM)

    await database.run(write)


async def disable_person(session: AsyncSession, actor: Actor, person_id: int) -> None:
    """No sign-in, no session, no rollback right from now on. The last administrator and oneself cannot be disabled."""
    await _one_at_a_time(session)
    person = await _locked(session, person_id)
    if person.is_disabled:
        return
    if person_id == actor.person_id:
        raise Rejected("You cannot disable your own account.", remedy="Ask another administrator.", code="self")
    if person.is_admin and await _administrators(session, but=person_id) == 0 and person.password_hash is not None:
        raise Rejected("This is the last administrator.", remedy="Add another one first.", code="last_admin")
    person.is_disabled = True
    await end_sessions(session, person_id)
    revoked = await _revoke_grants(session, person_id)
    for deployment_id in await _seated_in(session, person_id):
        if deployment_id not in revoked:
            await touch(session, deployment_id, ("team", "signoffs"))
    for deployment_id in revoked:
        entry = Entry(
            "accounts.rollback_right.revoked",
            f"{person.name} may no longer roll back",
            topics=("team", "signoffs", "deployment"),
            cause="the account was disabled",
            severity="warn",
        )
        await append(session, deployment_id, entry, actor)
    entry = Entry("accounts.person.disabled", f"{person.name} was disabled; every session has ended")
    await append(session, INSTALLATION, entry, actor)


async def enable_person(session: AsyncSession, actor: Actor, person_id: int) -> None:
    """The account works again. Rollback rights come back with the next arming, not by this."""
    person = await _locked(session, person_id)
    if not person.is_disabled:
        return
    person.is_disabled = False
    for deployment_id in await _seated_in(session, person_id):
        await touch(session, deployment_id, ("team", "signoffs"))
    await append(session, INSTALLATION, Entry("accounts.person.enabled", f"{person.name} was enabled"), actor)


async def set_phone(session: AsyncSession, actor: Actor, person_id: int, phone: str) -> None:
    """The number to call, for everybody who shares a deployment with the person. The log keeps that it changed, not
    what it is: a line of the log is for good, a number is not."""
    person = await _locked(session, person_id)
    if person.phone == phone:
        return
    person.phone = phone
    for deployment_id in await _seated_in(session, person_id):
        await touch(session, deployment_id, ("team",))
    said = f"The telephone number of {person.name} was {'changed' if phone else 'taken out'}"
    await append(session, INSTALLATION, Entry("accounts.person.phone_changed", said), actor)


async def reset_password(database: Database, actor: Actor, person_id: int) -> str:
    """A new first password, shown once; every session of the person ends. Rollback rights stay: who holds one may be
    in the middle of the day."""
    password = passwords.printed()
    stored = await passwords.hashed(password, once=True)

    async def write(session: AsyncSession) -> None:
        person = await _locked(session, person_id)
        person.password_hash = stored
        await end_sessions(session, person_id)
        entry = Entry("accounts.password.reset", f"{person.name} got a new first password; every session has ended")
        await append(session, INSTALLATION, entry, actor)

    await database.run(write)
    return password


async def _insert(
    session: AsyncSession, *, login: str, name: str, stored: str, is_admin: bool, phone: str = ""
) -> Person:
    key = normalised(login)
    taken = (await session.execute(select(Person.name).where(Person.login == key))).scalar_one_or_none()
    if taken is not None:
        raise Rejected(f"{taken} signs in with this name already.", remedy="Choose another one.", code="login_taken")
    now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    person = Person(login=key, name=name.strip(), password_hash=stored, is_admin=is_admin, phone=phone, created_at=now)
    session.add(person)
    await session.flush()
    return person


async def _locked(session: AsyncSession, person_id: int) -> Person:
    # Not so strong that what names the person would wait for it, such as the rollback that they press meanwhile.
    found = await session.execute(select(Person).where(Person.id == person_id).with_for_update(key_share=True))
    person = found.scalar_one_or_none()
    if person is None:
        raise NotFound("There is no such person.")
    return person


async def _one_at_a_time(session: AsyncSession) -> None:
    # Two administrators that disable each other at once must not leave none.
    await session.execute(text("select pg_advisory_xact_lock(hashtextextended('administrators', 0))"))


async def _administrators(session: AsyncSession, *, but: int = 0) -> int:
    """How many can sign in as one by a password; a rehearsal's administrator has none and does not count."""
    found = await session.execute(
        select(func.count()).where(
            Person.is_admin, ~Person.is_disabled, Person.password_hash.is_not(None), Person.id != but
        )
    )
    return found.scalar_one()


async def _seated_in(session: AsyncSession, person_id: int) -> list[int]:
    """The deployments whose roster shows this person, in the order in which their topics are raised."""
    statement = select(RosterSeat.deployment_id).where(RosterSeat.person_id == person_id).distinct()
    return sorted(await session.scalars(statement))


async def _revoke_grants(session: AsyncSession, person_id: int) -> list[int]:
    """The deployments whose rollback right was taken back, in the order in which their chains are locked."""
    revoked = await session.scalars(
        update(RollbackGrant)
        .where(RollbackGrant.person_id == person_id, RollbackGrant.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
        .returning(RollbackGrant.deployment_id)
    )
    return sorted(set(revoked))
