"""Which releases the range runs: the old one on BLUE and the new one on GREEN, as the plan names them that it plays;
without one, as ALAWAEL's does."""

import hashlib

from app.domain.sides import Release, Side
from app.rehearsal.cast import About, played


def _release(version: str) -> Release:
    return Release(version, "sha256:" + hashlib.sha256(f"alawael {version}".encode()).hexdigest())


RELEASES, ABOUT = played() or ({Side.BLUE: _release("0.9.4"), Side.GREEN: _release("1.0.0")}, About())
SIDE_OF_DIGEST = {release.digest: side for side, release in RELEASES.items()}
