"""Capsules on a worker's disk: `capsules/<target>.json`, signed, and beside each the card for people as text.

The key is made from the installation's secret for this one purpose, so that nothing signed for another can be taken for
a capsule. It lies beside the capsules: where the secret comes from the environment, a person with a dead installation
has no environment (docs/adr/0013 says why that gives nothing away).
"""

import hashlib
import hmac
import json
from pathlib import Path

from pydantic import ValidationError

from app.domain.capsule import Order
from app.providers.disk import make_private, write_whole

FOLDER = "capsules"
PURPOSE = b"gonogo rollback capsule v1"
KEY_FILE = "key"


class CapsuleRefused(Exception):
    """The file is damaged, or this installation did not write it; the message says which file and what to do."""


def capsule_key(secret: bytes) -> bytes:
    """The key of capsules and spools, from the installation's secret."""
    return hmac.new(secret, PURPOSE, hashlib.sha256).digest()


def seal(order: Order, key: bytes) -> bytes:
    """The capsule as it stands in the file."""
    document = order.model_dump(mode="json")
    sealed = {"order": document, "signature": _signature(document, key)}
    return (json.dumps(sealed, indent=1, ensure_ascii=False) + "\n").encode()


def unseal(content: bytes, key: bytes, *, name: str) -> Order:
    """Raises CapsuleRefused unless this installation wrote exactly this."""
    try:
        sealed = json.loads(content)
        document, signature = sealed["order"], str(sealed["signature"])
    except (ValueError, KeyError, TypeError) as problem:
        raise CapsuleRefused(f"{name} is damaged: {problem}. Use another worker's machine, or the card.") from problem
    if not hmac.compare_digest(signature, _signature(document, key)):
        raise CapsuleRefused(
            f"{name} does not carry this installation's signature: it was changed, or comes from elsewhere. "
            "Use another worker's machine, or the card."
        )
    try:
        return Order.model_validate(document)
    except ValidationError as problem:
        raise CapsuleRefused(f"{name} was written by another version of gonogo: {problem}") from problem


class CapsuleFolder:
    """`folder` is `capsules` in a worker's data folder; several workers on one machine share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, order: Order, card: str, key: bytes) -> None:
        """Capsule, card and key, each whole. Raises OSError; what was there before stays."""
        make_private(self.folder)
        kept = self.folder / KEY_FILE
        if not kept.exists() or kept.read_bytes() != key:
            write_whole(kept, key)
        write_whole(self._of(order.target), seal(order, key))
        write_whole(self.folder / f"{order.target}.txt", card.encode())

    def remove_all_but(self, targets: frozenset[str]) -> None:
        """Take away what is no longer armed, cards included."""
        if not self.folder.is_dir():
            return
        for path in self.folder.glob("*.*"):
            if path.suffix in (".json", ".txt") and not path.name.startswith(".") and path.stem not in targets:
                path.unlink(missing_ok=True)

    def targets(self) -> tuple[str, ...]:
        """The targets that have a capsule here."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.json") if not path.name.startswith(".")))

    def open(self, target: str, key: bytes) -> Order:
        """Raises CapsuleRefused, and FileNotFoundError if there is none."""
        path = self._of(target)
        return unseal(path.read_bytes(), key, name=str(path))

    def key(self) -> bytes | None:
        """The key that was left beside them."""
        path = self.folder / KEY_FILE
        return path.read_bytes() if path.exists() else None

    def _of(self, target: str) -> Path:
        return self.folder / f"{target}.json"


def _signature(document: object, key: bytes) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()
