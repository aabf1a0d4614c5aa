"""The two sides of a target, the releases on them, and how traffic is divided between them."""

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """BLUE holds the old release, GREEN the new one. Names, never states."""

    BLUE = "BLUE"
    GREEN = "GREEN"

    @property
    def other(self) -> "Side":
        return Side.GREEN if self is Side.BLUE else Side.BLUE


@dataclass(frozen=True, slots=True)
class Release:
    """A version and the digest of its artifact (`sha256:` and 64 hex digits)."""

    version: str
    digest: str

    @property
    def short_digest(self) -> str:
        algorithm, _, hexdigits = self.digest.partition(":")
        return f"{algorithm}:{hexdigits[:4]}…"


@dataclass(frozen=True, slots=True)
class Weights:
    """Shares of new requests in percent; they add up to 100, so no value can empty both sides (I1)."""

    blue: int
    green: int

    def __post_init__(self) -> None:
        if not (0 <= self.blue <= 100 and 0 <= self.green <= 100 and self.blue + self.green == 100):
            raise ValueError(f"weights must be 0..100 and add up to 100, not BLUE {self.blue}, GREEN {self.green}")

    @classmethod
    def all_to(cls, side: Side) -> "Weights":
        return cls(100, 0) if side is Side.BLUE else cls(0, 100)

    def of(self, side: Side) -> int:
        return self.blue if side is Side.BLUE else self.green

    def __str__(self) -> str:
        return f"{self.blue} / {self.green}"
