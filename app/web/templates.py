"""The Jinja environment: undefined names fail, everything is escaped."""

import secrets

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.config import ROOT
from app.web import drawing
from app.web.figures import FILTERS
from app.web.static_files import StaticFiles


def make_templates(static: StaticFiles) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals.update(asset=static.url, draw=drawing, new_key=lambda: secrets.token_urlsafe(16))
    return environment
