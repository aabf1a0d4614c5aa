"""Style sheets and scripts without what only their readers need: comments, indentation. Nothing is renamed or
reordered, so that what the browser's tools show is still ours."""

import re

_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_CSS_SPACE = re.compile(r"\s+")
_CSS_AROUND = re.compile(r" ?([{};,]) ?")
_SCRIPT_BLOCK = re.compile(r"^\s*/\*\*(?:(?!\*/).)*\*/[ \t]*$\n?", re.S | re.M)
_SCRIPT_LINE = re.compile(r"^\s*//.*$\n?", re.M)
_SCRIPT_INDENT = re.compile(r"^[ \t]+", re.M)


def lean_css(text: str) -> str:
    """For our own style sheets: none has spaces that matter inside a string (a test sees to it)."""
    return _CSS_AROUND.sub(r"\1", _CSS_SPACE.sub(" ", _CSS_COMMENT.sub("", text))).replace(";}", "}").strip()


def lean_script(text: str) -> str:
    """For our own scripts: whole-line comments and indentation go, lines stay. None has a text over several lines (a
    test sees to it)."""
    return _SCRIPT_INDENT.sub("", _SCRIPT_LINE.sub("", _SCRIPT_BLOCK.sub("", text)))
