"""The Jinja environment: undefined names fail, everything is escaped."""

import secrets
from functools import lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.config import ROOT
from app.web import drawing
from app.web.figures import FILTERS
from app.web.static_files import static_files


@lru_cache(maxsize=1)
def page_templates() -> Environment:
    """The templates of this process: each is compiled once, whoever asks for it."""
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals.update(asset=static_files().url, draw=drawing, new_key=lambda: secrets.token_urlsafe(16))
    return environment
