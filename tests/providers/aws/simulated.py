"""One simulated AWS for the whole run: moto in this process, once as it is and once behind the range's front, and two
small releases that the target groups point to."""

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from app.domain.sides import Side, Weights
from app.providers.aws.access import Access
from app.providers.aws.actions import Groups
from app.providers.aws.balancer import AwsBalancer
from app.providers.aws.calls import Calls
from app.providers.aws.route53 import Route53Follower, WeightedRecords
from app.providers.aws.routes import Route
from app.providers.side_address import SideAddress
from app.rehearsal.aws.building import build
from app.rehearsal.aws.estate import IDENTIFIERS, RECORD, REGION, Estate
from app.rehearsal.aws.faults import Fault
from app.rehearsal.aws.front import Front
from app.rehearsal.aws.server import Door, make_front

KEY = "AKIA0000000000000000"
DIGESTS = {side: f"sha256:{side.value.lower()}" for side in Side}
DNS_MS = 300


@dataclass
class Release:
    """Answers its health check with its digest, or with 503."""

    side: Side
    server: ThreadingHTTPServer
    is_well: bool = True

    @property
    def port(self) -> int:
        return int(self.server.server_port)


@dataclass(frozen=True)
class SimulatedAws:
    front: Front
    url: str
    bare_url: str
    estate: Estate
    releases: Mapping[Side, Release]
    credentials: Path
    clients: dict[str, Any] = field(default_factory=dict)
    epochs: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def access(self) -> Access:
        return Access(REGION, self.url, profile="range", credentials_file=self.credentials)

    def balancer(self, *, bare: bool = False, **changes: Any) -> AwsBalancer:
        """`bare`: moto without our front. `changes` are other fields of the access."""
        access = replace(self.access, endpoint_url=self.bare_url if bare else self.url)
        sides = {side: SideAddress(f"http://127.0.0.1:{release.port}") for side, release in self.releases.items()}
        routes = [Route(arn, name) for name, arn in self.estate.routes.items()]
        groups = Groups(self.estate.groups["BLUE"], self.estate.groups["GREEN"])
        return AwsBalancer("production", Calls(replace(access, **changes)), routes, groups, sides)

    def follower(self) -> Route53Follower:
        return Route53Follower(Calls(self.access), self.estate.zone, RECORD, "CNAME", WeightedRecords(IDENTIFIERS))

    def api(self, service: str) -> Any:
        """AWS as anybody else uses it."""
        if service not in self.clients:
            session = boto3.Session(aws_access_key_id=KEY, aws_secret_access_key="secret", region_name=REGION)
            self.clients[service] = session.client(service, endpoint_url=self.url)
        return self.clients[service]

    def strike(self, kind: str, operation: str = "*", **more: Any) -> None:
        self.front.faults.set(
            [*self.front.faults.standing, Fault.model_validate({"kind": kind, "operation": operation, **more})]
        )

    def heal(self) -> None:
        self.front.faults.set([])
        for release in self.releases.values():
            release.is_well = True

    def writes(self) -> int:
        """How many writes of weights were applied so far."""
        return self.front.applied["ModifyListener"] + self.front.applied["ModifyRule"]

    def actions_of(self, name: str) -> list[dict[str, Any]]:
        arn = self.estate.routes[name]
        if ":listener-rule/" in arn:
            return list(self.api("elbv2").describe_rules(RuleArns=[arn])["Rules"][0]["Actions"])
        return list(self.api("elbv2").describe_listeners(ListenerArns=[arn])["Listeners"][0]["DefaultActions"])

    def set_actions(self, name: str, actions: list[dict[str, Any]]) -> None:
        arn = self.estate.routes[name]
        if ":listener-rule/" in arn:
            self.api("elbv2").modify_rule(RuleArn=arn, Actions=actions)
        else:
            self.api("elbv2").modify_listener(ListenerArn=arn, DefaultActions=actions)


@contextlib.contextmanager
def simulated_aws(folder: Path) -> Iterator[SimulatedAws]:
    credentials = folder / "credentials"
    credentials.write_text(f"[range]\naws_access_key_id = {KEY}\naws_secret_access_key = secret\n")
    releases = {side: _release(side) for side in Side}
    front = make_front([KEY], "token", after=lambda _: None, dns_ms=DNS_MS)
    with Door(front) as door, Door(DomainDispatcherApplication(create_backend_app)) as bare:
        ports = {side: release.port for side, release in releases.items()}
        estate = build(door.url, KEY, ports, Weights(100, 0), 0)
        yield SimulatedAws(front, door.url, bare.url, estate, releases, credentials)
    for release in releases.values():
        release.server.shutdown()
        release.server.server_close()


def _release(side: Side) -> Release:
    release: Release

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"digest": DIGESTS[side]}).encode()
            self.send_response(200 if release.is_well else 503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    release = Release(side, server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return release
