"""What holds for templates/: no inline style or script, known links and icons, whole undefined-proof rendering."""

import dataclasses
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, meta, nodes

from app.overview.gallery.mission import GUARDS, MISSION
from app.overview.gallery.page import CHIPS, context
from app.web.templates import page_templates

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
FILES = sorted(TEMPLATES.rglob("*.html"))
FRAGMENTS = [path for path in FILES if path.name.startswith("_") and path.parent.name != "_macros"]
FRAMES = {"_base.html", "_wall_base.html", "_sprite.html"}
NAMES = [str(path.relative_to(TEMPLATES)) for path in FILES]

INLINE_STYLE = re.compile(r"\sstyle\s*=|<style\b", re.I)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)|\son[a-z]+\s*=|javascript:", re.I)


@pytest.fixture(scope="module")
def environment() -> Environment:
    return page_templates()


def render(environment: Environment, template: str = "gallery.html", **query: Any) -> str:
    return environment.get_template(template).render(context(**query))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_inline(name: str) -> None:
    """The content security policy has neither unsafe-inline nor unsafe-eval."""
    text = re.sub(r"\{#.*?#\}", "", (TEMPLATES / name).read_text(), flags=re.S)
    assert not INLINE_STYLE.search(text)
    assert not INLINE_SCRIPT.search(text)


@pytest.mark.parametrize("name", NAMES)
def test_it_compiles_and_its_parts_exist(environment: Environment, name: str) -> None:
    tree = environment.parse((TEMPLATES / name).read_text())
    for part in meta.find_referenced_templates(tree):
        assert part is None or (TEMPLATES / part).is_file(), f"{name} names {part}"
    environment.get_template(name)


@pytest.mark.parametrize("name", NAMES)
def test_assets_exist(name: str) -> None:
    for path in re.findall(r"asset\([\"']([^\"'~]+)[\"']\)", (TEMPLATES / name).read_text()):
        assert (ROOT / "static" / path).is_file(), f"{name} links static/{path}"


def test_every_icon_is_drawn() -> None:
    drawn = set(re.findall(r'id="i-(\w+)"', (TEMPLATES / "_sprite.html").read_text()))
    used = set()
    for path in FILES:
        text = path.read_text()
        used |= set(re.findall(r"#i-(\w+)\"", text)) | set(re.findall(r"icon\(\"(\w+)\"", text))
    assert used - drawn == set()


@pytest.mark.parametrize("path", [p for p in FRAGMENTS if p.name not in FRAMES], ids=lambda p: p.name)
def test_a_fragment_has_one_root_with_an_id(environment: Environment, path: Path) -> None:
    """One fragment, one root id (style, "Templates"): morphing replaces exactly that."""
    tree = environment.parse(path.read_text())
    literals = "".join(
        part.data for output in tree.body if isinstance(output, nodes.Output) for part in output.nodes
        if isinstance(part, nodes.TemplateData)
    ).strip()  # fmt: skip
    is_call = not literals and any(
        isinstance(node, nodes.CallBlock | nodes.If | nodes.Output | nodes.Include) for node in tree.body
    )
    assert is_call or re.match(r"<[a-z]+\b[^>]*\bid=", literals), f"{path.name} starts with {literals[:60]!r}"


@pytest.mark.parametrize("theme", ["light", "dark", "system"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_the_gallery_renders_every_component(environment: Environment, theme: str, direction: str) -> None:
    html = render(environment, theme=theme, direction=direction)
    for state in CHIPS:
        assert f'class="chip" data-state="{state}"' in html
    for name in (
        "guard",
        "vote",
        "strip",
        "axis",
        "criterion",
        "indicator",
        "trend",
        "banner",
        "item",
        "event",
        "empty",
    ):
        assert re.search(rf'class="{name}[ "]', html), name
    assert f'dir="{direction}"' in html
    assert "Undefined" not in html


def test_ids_are_unique_in_the_gallery(environment: Environment) -> None:
    ids = re.findall(r'\sid="([^"]+)"', render(environment))
    assert sorted({name for name in ids if ids.count(name) > 1}) == []


def test_labels_and_descriptions_point_at_something(environment: Environment) -> None:
    html = render(environment)
    ids = set(re.findall(r'\sid="([^"]+)"', html))
    named = re.findall(r'(?:\sfor|aria-labelledby|aria-describedby)="([^"]+)"', html)
    assert {name for names in named for name in names.split()} - ids == set()


@pytest.mark.parametrize("state", sorted(GUARDS))
def test_the_guard_is_a_plain_form_where_it_can_be_pressed(environment: Environment, state: str) -> None:
    mission = dataclasses.replace(MISSION, guard=GUARDS[state])
    html = environment.get_template("_guard.html").render(mission=mission, csrf_token="t")
    assert html.lstrip().startswith('<div class="guard-slot" id="guard"')
    assert ('<form method="post"' in html) == mission.guard.has_cover
    assert ("<summary" in html) == mission.guard.has_cover
    assert "data-lock" not in html, "rollback is never locked"


def test_what_a_person_wrote_is_escaped(environment: Environment) -> None:
    source = (
        '{% from "_macros/board.html" import vote %}'
        '{{ vote("k", "P", "Q", "go", "UTC", now, comment=evil, by=evil, at=now) }}'
    )
    html = environment.from_string(source).render(evil="<script>x</script>", now=datetime(2026, 3, 6, tzinfo=UTC))
    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 2


def test_a_live_root_says_what_it_was_made_from(environment: Environment) -> None:
    source = '{% from "_macros/panel.html" import live %}<div {{ live("signoffs team", {"signoffs": 12}, "/d/1/x") }}>'
    html = environment.from_string(source).render()
    assert 'data-topic="signoffs team" data-version="12 0" hx-get="/d/1/x"' in html


DOC = (ROOT / "docs" / "interface.md").read_text()
MACROS = sorted(
    match[1]
    for path in (TEMPLATES / "_macros").glob("*.html")
    for match in re.finditer(r"\{% macro ((?!_)[^%]*?) -%\}", path.read_text())
)


@pytest.mark.parametrize("signature", MACROS, ids=lambda signature: signature.partition("(")[0])
def test_the_page_about_the_interface_names_every_macro_with_its_arguments(signature: str) -> None:
    assert signature in DOC or signature.startswith("keys("), signature


def test_the_page_about_the_interface_names_every_script() -> None:
    scripts = {path.name for path in (ROOT / "static" / "js").glob("*.js")}
    assert {name for name in scripts if f"`{name}`" not in DOC} == set()


def test_the_page_about_the_interface_names_every_icon() -> None:
    drawn = set(re.findall(r'id="i-(\w+)"', (TEMPLATES / "_sprite.html").read_text()))
    listed = re.search(r"names: `([\w ]+)`", DOC)
    assert listed is not None
    assert set(listed[1].split()) == drawn
