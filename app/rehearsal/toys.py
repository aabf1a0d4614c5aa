"""Which releases the range runs: the old one on BLUE and the new one on GREEN, as the plan `alawael` names them."""

import hashlib

from app.domain.sides import Release, Side


def _release(version: str) -> Release:
    return Release(version, "sha256:" + hashlib.sha256(f"alawael {version}".encode()).hexdigest())


RELEASES = {Side.BLUE: _release("0.9.4"), Side.GREEN: _release("1.0.0")}
SIDE_OF_DIGEST = {release.digest: side for side, release in RELEASES.items()}
