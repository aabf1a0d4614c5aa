"""One word, five places; a feature's files have known names; docs name what exists (docs/architecture.md)."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from app.config import KEEP_ALIVE_S, ROOT
from app.main import FEATURES

VOCABULARY = ("routes", "forms", "commands", "queries", "views", "tasks")
BEYOND = {
    "accounts": {"policy", "passwords"},
    "overview": {"mission"},
    "traffic": {"store", "watch"},
}
"""Names beyond the vocabulary, each with its reason in docs/adr or docs/architecture.md."""
WITHOUT_PAGES = {"api", "deployments"}


@pytest.mark.parametrize("feature", FEATURES)
def test_one_word_five_places(feature: str) -> None:
    assert import_module(f"app.{feature}.routes").router.routes
    assert (ROOT / "tests" / feature).is_dir()
    if feature not in WITHOUT_PAGES:
        assert (ROOT / "templates" / feature).is_dir()
        assert (ROOT / "static" / "css" / f"{feature}.css").is_file()


@pytest.mark.parametrize("feature", FEATURES)
def test_a_features_files_are_guessable(feature: str) -> None:
    names = {path.stem for path in (ROOT / "app" / feature).glob("*.py")} - {"__init__"}
    strangers = {
        name for name in names if name.partition("_")[0] not in VOCABULARY and name not in BEYOND.get(feature, set())
    }
    assert strangers == set()


@pytest.mark.parametrize(
    "doc", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda path: path.name
)
def test_links_and_paths_in_docs_lead_somewhere(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (doc.parent / link).exists()]
    places = re.findall(r"`((?:app|templates|static|tests|plans|migrations|docs)/[\w./-]+)`", text)
    missing += [place for place in places if not (ROOT / place).exists()]
    assert missing == []


def test_no_vague_names() -> None:
    vague = {"utils", "helpers", "common", "manager", "service", "data", "info", "misc"}
    assert [path for path in (ROOT / "app").rglob("*.py") if path.stem in vague] == []


@pytest.mark.parametrize("file", ["Dockerfile", "app/rehearsal/supervisor.py"])
def test_the_web_process_outwaits_a_proxy_wherever_it_is_started(file: str) -> None:
    assert f'"--timeout-keep-alive", "{KEEP_ALIVE_S}"' in (ROOT / file).read_text(encoding="utf-8")
