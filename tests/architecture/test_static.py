"""What holds for static/: vendored files as locked, literals only in tokens.css, logical properties, small scripts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.web.static_files import StaticFiles

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
TEMPLATES = ROOT / "templates"
CSS = sorted((STATIC / "css").glob("*.css"))
SCRIPTS = sorted((STATIC / "js").glob("*.js"))
FEATURES = ROOT / "app"
SHARED = {"tokens", "base", "components"}

COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?|oklch|lab|lch|hwb)\(")
FONT_PX = re.compile(r"font(?:-size)?\s*:[^;}]*\b\d+(?:\.\d+)?px")
PHYSICAL = re.compile(
    r"(?<![-\w])(?:margin|padding|border)-(?:left|right|top|bottom)\b|(?<![-\w])(?:left|right|top|bottom)\s*:"
    r"|text-align\s*:\s*(?:left|right)|(?<![-\w])float\s*:"
)


def without_comments(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), path.read_text(), flags=re.S)


def hits(path: Path, pattern: re.Pattern[str]) -> list[str]:
    lines = without_comments(path).splitlines()
    return [f"{path.name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if pattern.search(line)]


def test_vendored_files_are_the_locked_ones() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "vendor.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_lock_names_no_host() -> None:
    assert "://" not in (STATIC / "vendor" / "vendor.lock").read_text()


@pytest.mark.parametrize("path", [path for path in CSS if path.stem != "tokens"], ids=lambda path: path.stem)
def test_literals_stand_only_in_the_tokens(path: Path) -> None:
    assert hits(path, COLOUR) == []
    assert hits(path, FONT_PX) == []


@pytest.mark.parametrize("path", CSS, ids=lambda path: path.stem)
def test_properties_are_logical(path: Path) -> None:
    """A right-to-left language then needs no second style sheet."""
    assert hits(path, PHYSICAL) == []


@pytest.mark.parametrize("path", CSS, ids=lambda path: path.stem)
def test_every_rule_stands_in_a_layer(path: Path) -> None:
    depth = 0
    outside = []
    for line in without_comments(path).splitlines():
        if depth == 0 and "{" in line and not line.lstrip().startswith(("@layer", "@font-face")):
            outside.append(line.strip())
        depth += line.count("{") - line.count("}")
    assert outside == []
    assert depth == 0, "braces don't match"


def test_every_custom_property_is_defined() -> None:
    text = "".join(without_comments(path) for path in CSS)
    used = set(re.findall(r"var\((--[\w-]+)", text))
    defined = set(re.findall(r"(--[\w-]+)\s*:", text))
    assert used - defined == set()


def test_a_style_sheet_is_named_after_its_feature() -> None:
    folders = {path.name for path in FEATURES.iterdir() if path.is_dir()}
    assert {path.stem for path in CSS} - SHARED - folders == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_obey_the_content_security_policy(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\beval\(|new Function\(|setAttribute\(\s*[\"'](?:style|on\w+)[\"']|document\.write\(", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_imports_are_relative_and_exist(path: Path) -> None:
    for target in re.findall(r"(?:from|import)\s*\(?\s*[\"']([^\"']+)[\"']", path.read_text()):
        assert target.startswith("./"), f"{path.name} imports {target}"
        assert (path.parent / target).is_file(), f"{path.name} imports {target}"


def test_the_first_visit_is_small() -> None:
    """htmx, every style sheet that a home can ask for, all scripts (without the charts) and one font, as they are
    served: at most 95 kB, so that a page, its fragments and thirty answers' headers fit into the goal of 115 kB."""
    static = StaticFiles()
    pages = "".join((TEMPLATES / name).read_text() for name in ("_base.html", "overview/home.html"))
    sheets = [path for path in CSS if f"css/{path.name}" in pages]
    assert len(sheets) > 8
    texts = [*sheets, *(path for path in SCRIPTS if path.stem != "chart"), STATIC / "vendor/htmx/htmx.min.js"]
    total = sum(static.served_bytes(str(path.relative_to(STATIC))) for path in texts)
    total += (STATIC / "vendor/inter/inter-latin-wght.woff2").stat().st_size
    assert total <= 95_000


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_refresh_is_meant_for_one_panel(path: Path) -> None:
    """It does not bubble: a panel inside another one would make that one fetch itself, with all it holds."""
    calls = re.findall(r'htmx\.trigger\(\w+, "refresh"(.*?)\);', path.read_text())
    assert set(calls) <= {", {}, false"}
