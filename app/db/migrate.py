"""Bring a database's schema to the newest revision, as its owner."""

from alembic import command
from alembic.config import Config

from app.config import ROOT


def alembic_config(owner_url: str) -> Config:
    config = Config(str(ROOT / "migrations" / "alembic.ini"))
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = owner_url
    return config


def upgrade(owner_url: str, revision: str = "head") -> None:
    """`owner_url` is a SQLAlchemy URL of the role that owns the schema. Does nothing on a database that is current."""
    command.upgrade(alembic_config(owner_url), revision)


def downgrade(owner_url: str, revision: str) -> None:
    command.downgrade(alembic_config(owner_url), revision)
