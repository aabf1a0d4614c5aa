"""Database time on a worker whose own wall clock may be an hour off."""

from datetime import datetime, timedelta

from app.ports.clock import Clock

SHARP_S = 0.5


class DatabaseClock:
    """Carries the database's time on with the monotonic clock. Each answer of the database can only improve it: the
    quickest one tells the time best. The start of a question counts, so a duration is never told too short."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin: datetime | None = None
        self._asked = 0.0
        self._within = float("inf")

    def ask(self) -> float:
        """Call it before the database is asked for its time; pass what it returns to `answered`."""
        return self._clock.monotonic()

    def answered(self, asked: float, database_now: datetime) -> None:
        within = self._clock.monotonic() - asked
        if within < self._within:
            self._origin, self._asked, self._within = database_now, asked, within

    @property
    def is_sharp(self) -> bool:
        """False while the only answers took so long (a freeze, a database that hung) that this clock may be far
        ahead: a deadline would seem to have passed that has not."""
        return self._within <= SHARP_S

    def now(self) -> datetime:
        """Database time; there must have been an answer before."""
        if self._origin is None:
            raise RuntimeError("the database was never asked for its time")
        return self._origin + timedelta(seconds=self._clock.monotonic() - self._asked)
