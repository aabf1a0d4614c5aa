"""What every page needs around its own content: language, look, the person, the tabs, the versions of its panels."""

from dataclasses import dataclass
from typing import Literal

Theme = Literal["system", "light", "dark"]


@dataclass(frozen=True, slots=True)
class PersonView:
    """Who is signed in, and the seat held in this deployment ("DevOps lead"; empty without one)."""

    name: str
    position: str = ""


@dataclass(frozen=True, slots=True)
class TabView:
    """A page of the deployment. `icon` is a symbol of the sprite; phones show those with `in_dock` (at most four)."""

    key: str
    title: str
    url: str
    icon: str
    in_dock: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class PageView:
    """The frame of a page. `current` is the key of a tab, or empty; `shortcuts` are off where the person chose so."""

    person: PersonView | None = None
    tabs: tuple[TabView, ...] = ()
    current: str = ""
    lang: str = "en"
    dir: Literal["ltr", "rtl"] = "ltr"
    theme: Theme = "system"
    sign_out_url: str = ""
    home_url: str = "/"
    is_live: bool = True
    """False for a page that shows a moment gone by (the gallery, a replay): no stream, no running clocks."""
