"""What the account pages show."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SeatChoice:
    """A person one can be in the range: `title` is the seat, `may` what the seat is for."""

    person_id: int
    title: str
    name: str
    may: str


@dataclass(frozen=True, slots=True)
class SeatGroup:
    title: str
    seats: tuple[SeatChoice, ...]


@dataclass(frozen=True, slots=True)
class PersonRow:
    """`state`: active, disabled, once (has not chosen a password yet), none (no password: a rehearsal's person)."""

    person_id: int
    name: str
    login: str
    is_admin: bool
    state: str
    seats: str
    last_seen: datetime | None
    phone: str = ""

    @property
    def is_disabled(self) -> bool:
        return self.state == "disabled"


@dataclass(frozen=True, slots=True)
class PeopleView:
    """`own_id` is the administrator who looks: nobody disables the own account."""

    title: str
    text: str
    people: tuple[PersonRow, ...]
    own_id: int
    now: datetime


@dataclass(frozen=True, slots=True)
class TokenRow:
    """`state`: valid, expired, revoked. `where` is a deployment's title, or "all deployments"."""

    token_id: int
    name: str
    scopes: tuple[str, ...]
    where: str
    state: str
    made_by: str
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokensView:
    title: str
    text: str
    tokens: tuple[TokenRow, ...]
    deployments: tuple[tuple[str, str], ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """A secret that is shown this one time: whose it is, and what to do with it."""

    title: str
    secret: str
    text: str
