"""The database as the rest of the product sees it: `run` a write, `read` a view."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

Result = TypeVar("Result")

_RETRYABLE_STATES = ("40001", "40P01")
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MOST_S = 1.0


_KNOWN = "known"


async def once(session: AsyncSession, key: Hashable, query: Callable[[], Awaitable[Result]]) -> Result:
    """What `query` gives, asked at most once in a `Database.read`: the panels of a page share it, and so agree. In a
    `Database.run`, and in a session of one's own, it is asked each time."""
    known: dict[Hashable, Result] | None = session.info.get(_KNOWN)
    if known is None:
        return await query()
    if key not in known:
        known[key] = await query()
    return known[key]


def make_engine(url: str, *, pool_size: int = 20, idle_s: int = 0) -> AsyncEngine:
    """`url` is a SQLAlchemy URL with the driver `postgresql+psycopg`. No connection is asked whether it lives before it
    is used: `run` and `read` repeat what met a dead one, and the pool then drops all that are older.

    `idle_s`: PostgreSQL ends a transaction in which nothing happens for so many seconds, so that a process that stands
    still holds no lock for long; 0 is never.
    """
    more = {"options": f"-c idle_in_transaction_session_timeout={idle_s}s"} if idle_s else {}
    # What a statement was given (a session's token, a person's words) stands in no error, and so in no log.
    connect = {"connect_timeout": 3, **more}
    return create_async_engine(url, pool_size=pool_size, max_overflow=20, connect_args=connect, hide_parameters=True)


def is_transient(error: BaseException) -> bool:
    """True if running the whole transaction again can succeed: connection lost, deadlock, serialization."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return bool(error.connection_invalidated) or isinstance(error, OperationalError) or state in _RETRYABLE_STATES


class Database:
    """One engine, or in tests one connection whose outer transaction is rolled back."""

    def __init__(self, engine: AsyncEngine | AsyncConnection, *, patience_s: float = 8.0) -> None:
        self.engine = engine
        self.patience_s = patience_s
        self._alone = engine
        if isinstance(engine, AsyncEngine):
            # Each statement is a transaction of its own. A view's statements each see what is committed then, in a
            # transaction or without one: so without, which saves two of the three round trips of a single question.
            self._alone = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session without commit: for `run`, and for what must not be repeated."""
        async with self._session(self.engine) as session:
            yield session

    def _session(self, on: AsyncEngine | AsyncConnection, *, autoflush: bool = True) -> AsyncSession:
        if isinstance(on, AsyncConnection):
            return AsyncSession(on, expire_on_commit=False, join_transaction_mode="create_savepoint")
        return AsyncSession(on, expire_on_commit=False, autoflush=autoflush)

    async def aclose(self) -> None:
        """Close the pool."""
        if isinstance(self.engine, AsyncEngine):
            await self.engine.dispose()

    async def run(self, write: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """Run `write` in one transaction and commit it before returning; the whole of it again on a lost
        connection or a deadlock, for `patience_s`. `write` must therefore have no effect outside the database."""

        async def attempt() -> Result:
            async with self._session(self.engine) as session:
                result = await write(session)
                await session.commit()
                return result

        return await self._retry(attempt, self.patience_s)

    async def run_alone(self, write: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """As `run`, for a `write` of one statement, which PostgreSQL commits as it carries it out: one round trip in
        place of three, and nobody can stand still between the statement and its commit."""

        async def attempt() -> Result:
            async with self._session(self._alone) as session:
                return await write(session)

        return await self._retry(attempt, self.patience_s)

    async def read(
        self, query: Callable[[AsyncSession], Awaitable[Result]], *, patience_s: float | None = None
    ) -> Result:
        """Run `query`, which writes nothing and locks nothing; again on a lost connection, for `patience_s`."""

        async def attempt() -> Result:
            async with self._session(self._alone, autoflush=False) as session:
                session.info[_KNOWN] = {}
                return await query(session)

        return await self._retry(attempt, self.patience_s if patience_s is None else patience_s)

    async def _retry(self, attempt: Callable[[], Awaitable[Result]], patience_s: float) -> Result:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + patience_s
        pause = _BACKOFF_FIRST_S
        while True:
            try:
                return await attempt()
            except DBAPIError as error:
                if not is_transient(error) or loop.time() + pause > give_up:
                    raise
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _BACKOFF_MOST_S)
