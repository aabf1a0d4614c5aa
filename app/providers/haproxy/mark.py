"""The mark that a target leaves on HAProxy: which operation moved it last, and to what.

One number in a variable of the process, so that HAProxy compares and sets it in one step, whoever asks from wherever:
7003100 is epoch 7, its third write, GREEN 100 %. HAProxy takes only a mark that is greater than its own. The weights
are in it because HAProxy cannot tie weights to a condition: a writer that finds itself overtaken after its own weights
went out puts those of the newer mark back (docs/adr/0006-epochs-on-own-balancers.md).
"""

from dataclasses import dataclass

from app.domain.sides import Weights

STEPS = 1000
GREENS = 1000
BY_HAND = 500
"""The step of a person's write: above what gonogo wrote before it in the same epoch, below what it writes after."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    epoch: int = 0
    step: int = 0
    green: int = 0

    @classmethod
    def of(cls, number: int) -> "Mark":
        rest, green = divmod(number, GREENS)
        epoch, step = divmod(rest, STEPS)
        return cls(epoch, step, min(green, 100))

    def __int__(self) -> int:
        return (self.epoch * STEPS + self.step) * GREENS + self.green

    @property
    def weights(self) -> Weights:
        return Weights(100 - self.green, self.green)

    def followed_by(self, epoch: int, weights: Weights) -> "Mark":
        """The mark of the next write, which is not older. The last step of an epoch is used again and again."""
        step = min(self.step + 1, STEPS - 1) if epoch == self.epoch else 0
        return Mark(epoch, step, weights.green)
