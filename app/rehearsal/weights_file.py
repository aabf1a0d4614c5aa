"""The balancer's weights as a file that it reads at each request, and the epoch kept beside it.

Caddy compares eight hex digits of a random number with eight hex digits in the file: a change of the file is a change
of the weights from the next request on, and no connection is closed.
"""

import os
from pathlib import Path

from app.domain.sides import Weights

WHOLE = 2**32
EVERY_REQUEST = "g"
"""Sorts after every hex digit."""


class WeightsFile:
    """In `folder`: `weight.green` (a threshold) and `epoch`. Each is replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self._threshold = folder / "weight.green"
        self._epoch = folder / "epoch"

    def make(self) -> None:
        """All to BLUE at epoch 0, unless a range before this one left something else."""
        if not self._epoch.exists():
            _replace(self._epoch, "0")
        if not self._threshold.exists():
            _replace(self._threshold, _encoded(0))

    def read(self) -> Weights:
        """What Caddy reads, turned back into percent."""
        text = self._threshold.read_text()
        green = 100 if text == EVERY_REQUEST else round(int(text, 16) / WHOLE * 100)
        return Weights(100 - green, green)

    def read_epoch(self) -> int:
        return int(self._epoch.read_text())

    def write(self, weights: Weights, epoch: int) -> None:
        """The epoch first: a kill between the two leaves weights that a reader sees as they are, and no way back for
        an older writer."""
        _replace(self._epoch, str(epoch))
        _replace(self._threshold, _encoded(weights.green))


def _encoded(green: int) -> str:
    return EVERY_REQUEST if green == 100 else f"{int(green / 100 * WHOLE):08x}"


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    os.replace(fresh, path)
