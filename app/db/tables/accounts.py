"""People, their sessions, tokens for machines."""

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, BigKey, Moment, Words


class Person(Base):
    """Somebody who can sign in. `login` is stored normalised (lower case, trimmed)."""

    __tablename__ = "person"

    id: Mapped[BigKey]
    login: Mapped[str] = mapped_column(String(120), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[Words | None]
    is_admin: Mapped[bool] = mapped_column(Boolean, default=False)
    is_disabled: Mapped[bool] = mapped_column(Boolean, default=False)
    phone: Mapped[str] = mapped_column(String(40), default="")
    created_at: Mapped[Moment]


class WebSession(Base):
    """A browser that is signed in. Only the hash of the cookie's 128 random bits is stored."""

    __tablename__ = "web_session"

    id_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    person_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Moment]
    seen_at: Mapped[Moment]
    stepped_up_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]


class LoginAttempt(Base):
    """A failed sign-in, counted by normalised name and address; old rows are swept."""

    __tablename__ = "login_attempt"
    __table_args__ = (Index("ix_login_attempt_key_at", "key", "at"),)

    id: Mapped[BigKey]
    key: Mapped[str] = mapped_column(String(200))
    at: Mapped[Moment]


class ApiToken(Base):
    """A machine's token: hashed, scoped, expiring. It can never sign off or switch."""

    __tablename__ = "api_token"

    id: Mapped[BigKey]
    name: Mapped[str] = mapped_column(String(120))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    scopes: Mapped[list[str]]
    deployment_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("deployment.id"))
    created_by: Mapped[int] = mapped_column(BigInteger, ForeignKey("person.id"))
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]
    used_at: Mapped[Moment | None]
