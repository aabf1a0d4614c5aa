"""The process of the simulated AWS: `python -m app.rehearsal.aws --folder .gonogo/range --port 8406 --blue 8403
--green 8404`, with the token of its control paths in RANGE_TOKEN."""

import argparse
import os
import threading
from pathlib import Path

from app.domain.sides import Side
from app.rehearsal.aws.building import build
from app.rehearsal.aws.estate import CREDENTIALS, PROFILE
from app.rehearsal.aws.follow import DataPlane
from app.rehearsal.aws.front import random_key
from app.rehearsal.aws.server import Door, make_front
from app.rehearsal.weights_file import WeightsFile

DNS_MS = 4000
"""How long a change of records is PENDING; at AWS it is up to a minute."""


def main() -> None:
    parser = argparse.ArgumentParser(description="The simulated AWS of the rehearsal range.")
    parser.add_argument("--folder", type=Path, required=True)
    for name in ("port", "blue", "green"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--dns-ms", type=int, default=DNS_MS)
    arguments = parser.parse_args()
    key, builder = access_key(arguments.folder), random_key()
    weights = WeightsFile(arguments.folder)
    weights.make()
    plane = DataPlane(weights)
    front = make_front([key, builder], os.environ["RANGE_TOKEN"], after=plane.after, dns_ms=arguments.dns_ms)
    ports = {Side.BLUE: arguments.blue, Side.GREEN: arguments.green}
    # On a port of its own: what listens on the real one is ready.
    with Door(front) as building:
        estate = build(building.url, builder, ports, weights.read(), weights.read_epoch())
    estate.save(arguments.folder)
    plane.attach(estate)
    with Door(front, arguments.port):
        threading.Event().wait()


def access_key(folder: Path) -> str:
    """The access key of the range's profile, made at the first start; the file is readable by its owner only."""
    file = folder / CREDENTIALS
    if not file.exists():
        key = random_key()
        text = f"[{PROFILE}]\naws_access_key_id = {key}\naws_secret_access_key = {random_key()}\n"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
    return file.read_text().split("aws_access_key_id = ")[1].split("\n")[0]


if __name__ == "__main__":
    main()
