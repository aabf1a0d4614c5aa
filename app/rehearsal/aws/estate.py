"""What stands in the simulated AWS: a network, one load balancer with a listener and two rules, two target groups and a
hosted zone. `building` makes it; this names it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from app.domain.sides import Side

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ZONE = "alawael.example"
RECORD = f"app.{ZONE}"
IDENTIFIERS = {Side.BLUE: "blue", Side.GREEN: "green"}
PATHS = {"rule /api/*": "/api/*", "rule /pay": "/pay"}
PROFILE = "range"
FILE = "aws.json"
CREDENTIALS = "aws-credentials"


@dataclass(frozen=True, slots=True)
class Estate:
    """ARNs and ids. `routes` are a name for people → ARN, the default action of the listener first."""

    routes: dict[str, str]
    groups: dict[str, str]
    zone: str

    @property
    def listener(self) -> str:
        return next(iter(self.routes.values()))

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, folder: Path) -> "Estate":
        return cls(**json.loads((folder / FILE).read_text()))
