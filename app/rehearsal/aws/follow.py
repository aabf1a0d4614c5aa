"""The data plane of the simulated AWS: the range's real balancer takes the weights of the simulated listener, so that a
switch on AWS moves the range's real customers."""

from app.domain.sides import Weights
from app.rehearsal.aws.call import Call, members
from app.rehearsal.aws.estate import Estate
from app.rehearsal.aws.strict import weights_in
from app.rehearsal.weights_file import WeightsFile

EPOCH = "gonogo:epoch"


class DataPlane:
    """The range has one public route, which follows the listener's default action; the rules are simulated only. The
    epoch in the tag is kept beside the weights, for the next start."""

    def __init__(self, file: WeightsFile) -> None:
        self._file = file
        self._estate: Estate | None = None

    def attach(self, estate: Estate) -> None:
        """Follow from now on: what builds the estate is nobody's switch."""
        self._estate = estate

    def after(self, call: Call) -> None:
        """Told of each applied effect, one at a time."""
        estate = self._estate
        if estate is None:
            return
        if call.operation == "ModifyListener" and call.fields.get("ListenerArn") == estate.listener:
            self._move(call, estate)
        elif call.operation == "AddTags":
            epochs = [tag["Value"] for tag in members(call.fields, "Tags") if tag.get("Key") == EPOCH]
            if epochs and epochs[0].isdecimal():
                self._file.write(self._file.read(), int(epochs[0]))

    def _move(self, call: Call, estate: Estate) -> None:
        for action in members(call.fields, "DefaultActions"):
            found = weights_in(action)
            blue, green = (found.get(estate.groups[side], 0) for side in ("BLUE", "GREEN"))
            if blue + green:
                share = round(100 * green / (blue + green))
                self._file.write(Weights(100 - share, share), self._file.read_epoch())
