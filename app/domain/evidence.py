"""Small files as evidence: what is taken, told by the content itself, never by a name or by what a browser claims."""

import re
import unicodedata

from app.domain.errors import Rejected

LARGEST = 256 * 1024
"""Bytes of one file."""
ALL_TOGETHER = 16 * 1024 * 1024
"""Bytes of all files of a deployment."""
MOST = 12
"""Files of one item in one attempt."""
NAME_LIMIT = 100
"""Characters of a name that are kept."""

ENDINGS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "application/pdf": ".pdf",
    "text/plain": ".txt",
}
"""What is taken, and how its name ends when it is saved."""
_control = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
"""Everything of Unicode's class Cc but tab, line ends and form feed."""
_WORDS = "PNG, JPEG, WebP, PDF or plain text"


def kind_of(content: bytes) -> str:
    """The media type by the first bytes, or text/plain for UTF-8 without control characters. Raises Rejected."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    if _is_text(content):
        return "text/plain"
    raise Rejected("This file is of a kind that is not taken. Nothing was kept.", remedy=f"Send {_WORDS}.", code="file")


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _control.search(text) is None


def check_size(size: int, *, files: int, together: int) -> None:
    """Whether a file of `size` bytes has room beside `files` of the same item and `together` bytes of the deployment.
    Raises Rejected."""
    if size == 0:
        raise Rejected("No file was chosen, or it is empty. Nothing was kept.", code="file")
    if size > LARGEST:
        raise Rejected(
            f"This file has {size / 1024:,.0f} KiB; the limit is {LARGEST // 1024} KiB. Nothing was kept.",
            remedy="Keep the large file where it is, and name its address as evidence.",
            code="file",
        )
    if files >= MOST:
        raise Rejected(f"This item has {MOST} files, the most there can be. Nothing was kept.", code="file")
    if together + size > ALL_TOGETHER:
        raise Rejected(
            f"The files of this deployment would be more than {ALL_TOGETHER // 1024 // 1024} MiB. Nothing was kept.",
            remedy="Name an address as evidence instead.",
            code="file",
        )


def name_of(sent: str, kind: str) -> str:
    """A name that is safe to show and to save: no folders, no control or direction characters, an ending that says
    what it is."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", sent))[-1]
    plain = "".join(sign for sign in last if unicodedata.category(sign)[0] not in "CZ" or sign == " ")
    plain = re.sub(r'[<>:"|?*;%]', "_", plain).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    right = ENDINGS[kind]
    is_right = dot and ("." + ending.lower() in (right, ".jpeg" if right == ".jpg" else right))
    stem = (stem if is_right else plain)[: NAME_LIMIT - len(right)].strip(" .")
    return f"{stem or 'evidence'}{right}"
