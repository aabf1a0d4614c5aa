"""Composition root: settings and site.yaml → ports. The plan names a target; the site binds the name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from app.config import Misconfigured, Settings
from app.domain.capsule import Order
from app.domain.plan import Plan
from app.domain.sides import Release, Side
from app.ports.clock import Clock
from app.ports.customers import Customers
from app.ports.follower import Follower
from app.ports.metrics import MetricsSource
from app.ports.probe import Prober
from app.ports.traffic import TrafficTarget
from app.providers.agent_balancer import AgentBalancer
from app.providers.alert_hooks import AlertHook, HookName
from app.providers.aws.access import Access
from app.providers.clock import SystemClock
from app.providers.haproxy import Farm, HaproxyBalancer, Instance
from app.providers.http_probe import HttpProber
from app.providers.prometheus_text import PrometheusText
from app.providers.range_customers import RangeCustomers
from app.providers.script import Commands, ScriptBalancer
from app.providers.script.running import OWN, Surroundings
from app.providers.side_address import SideAddress


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SideSite(_Node):
    """Where a side answers for itself: its base URL and paths there; `required` healthy targets make it healthy."""

    url: str
    health: str = "/health"
    metrics: str = "/metrics"
    required: Annotated[int, Field(ge=1)] = 1


class BoundSite(_Node):
    """What every provider's binding says: the way in for customers, and where each side answers for itself."""

    public_url: str
    sides: dict[Side, SideSite]

    @property
    def pinned(self) -> dict[str, Any]:
        """What more of it sign-offs are bound to: resource ids, never credentials."""
        return {}


class AgentTarget(BoundSite):
    """A balancer behind gonogo's balancer agent API (docs/range.md)."""

    provider: Literal["agent"]
    agent_url: str
    agent_token_file: Path


class HaproxyInstance(_Node):
    """One HAProxy. `address` is `unix:/path/of/socket` or `host:port` of its runtime API, at level admin."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=60)]
    address: Annotated[str, Field(pattern=r"^(unix:/.+|.+:\d+)$")]


class HaproxyTarget(BoundSite):
    """One or several HAProxies (docs/live.md). `backends` are those that steer: backend → side → its servers.
    `state_folder` is shared by all workers of a host."""

    provider: Literal["haproxy"]
    instances: tuple[HaproxyInstance, ...]
    backends: dict[str, dict[Side, tuple[str, ...]]]
    state_folder: Path

    def farm(self, target: str) -> Farm:
        """Raises ValueError for what HAProxy could not mean."""
        return Farm(target, [Instance(one.name, one.address) for one in self.instances], self.backends)

    @model_validator(mode="after")
    def _can_be_steered(self) -> "HaproxyTarget":
        self.farm("any")
        return self

    @property
    def pinned(self) -> dict[str, Any]:
        return {
            "instances": {one.name: one.address for one in self.instances},
            "backends": {
                backend: {side.value: list(servers) for side, servers in sides.items()}
                for backend, sides in self.backends.items()
            },
        }


Command = Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], Field(min_length=1, max_length=50)]


def _not_ours(name: str) -> str:
    if name.startswith(OWN):
        raise ValueError(f"{name} is gonogo's own, and may hold the database's password: scripts never get it")
    return name


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_not_ours)]
Deadline = Annotated[float, Field(gt=0, le=60)]


class ScriptDeadlines(_Node):
    """Seconds, each for one run."""

    read: Deadline = 3
    set: Deadline = 10
    verify: Deadline = 5


class ScriptTarget(BoundSite):
    """The team's own commands (docs/live.md). `environment` names variables of the workers that they may see;
    `secrets` are variables read from files."""

    provider: Literal["script"]
    read: Command
    set: Command
    verify: Command | None = None
    folder: Path
    environment: tuple[Variable, ...] = ()
    secrets: dict[Variable, Path] = {}
    deadlines: ScriptDeadlines = ScriptDeadlines()
    state_folder: Path

    @model_validator(mode="after")
    def _sets_something(self) -> "ScriptTarget":
        if not all(any(place in part for part in self.set) for place in ("{green}", "{epoch}")):
            raise ValueError("set needs {green} and {epoch} among its arguments")
        return self

    @property
    def pinned(self) -> dict[str, Any]:
        commands = {"read": self.read, "set": self.set, "verify": self.verify or ()}
        return {"folder": str(self.folder), **{name: list(command) for name, command in commands.items()}}

    def commands(self) -> Commands:
        own = self.deadlines
        return Commands(self.read, self.set, self.verify or (), own.read, own.set, own.verify)


class AwsCredentials(_Node):
    """By reference, never keys: a profile (in `file`, else in the usual places), a role to assume, or neither, for
    what the machine itself has."""

    profile: str | None = None
    file: Path | None = None
    role_arn: str | None = None
    external_id: str | None = None


class AwsRoute(_Node):
    """A listener (its default action) or a rule, pinned by its ARN; `name` is what people read."""

    arn: Annotated[str, Field(pattern=r"^arn:[\w-]+:elasticloadbalancing:[\w-]+:\d{12}:listener(-rule)?/app/[\w/-]+$")]
    name: Annotated[str, Field(min_length=1, max_length=60)]


class AwsAlias(_Node):
    name: str
    zone: str


class AwsRecords(_Node):
    """Records in Route 53 that follow the balancer: two weighted ones, by set identifier, or one alias."""

    zone: str
    name: str
    type: Literal["A", "AAAA", "CNAME"]
    weighted: dict[Side, str] | None = None
    alias: dict[Side, AwsAlias] | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "AwsRecords":
        shape = self.weighted if self.alias is None else self.alias
        if shape is None or (self.weighted is not None and self.alias is not None) or set(shape) != set(Side):
            raise ValueError("give either weighted or alias, with BLUE and GREEN")
        return self


class AwsTarget(BoundSite):
    """Weighted target groups behind Application Load Balancers (docs/live.md)."""

    provider: Literal["aws"]
    region: str
    endpoint_url: str | None = None
    credentials: AwsCredentials = AwsCredentials()
    routes: Annotated[tuple[AwsRoute, ...], Field(min_length=1, max_length=100)]
    target_groups: dict[Side, str]
    owner: str = "gonogo"
    dns: AwsRecords | None = None

    @model_validator(mode="after")
    def _can_be_steered(self) -> "AwsTarget":
        if len(set(self.target_groups.values())) != len(Side):
            raise ValueError("target_groups needs BLUE and GREEN, and two different ones")
        if len({route.arn for route in self.routes}) + len({route.name for route in self.routes}) != 2 * len(
            self.routes
        ):
            raise ValueError("routes names an ARN or a name twice")
        return self

    @property
    def pinned(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "region": self.region,
            "routes": {route.name: route.arn for route in self.routes},
            "target_groups": {side.value: arn for side, arn in self.target_groups.items()},
        }
        return {**found, "dns": self.dns.name} if self.dns is not None else found


TargetSite = Annotated[AgentTarget | HaproxyTarget | ScriptTarget | AwsTarget, Field(discriminator="provider")]
"""One class a provider; `provider` tells them apart."""


class RangeSite(_Node):
    control_url: str
    token_file: Path


class Site(_Node):
    """site.yaml: what this installation binds the plans' names to. `range` and `live` never mix."""

    kind: Literal["range", "live"]
    targets: dict[str, TargetSite]
    range: RangeSite | None = None
    alerts: dict[HookName, AlertHook] = {}
    """Who may send alerts: /api/v1/alerts/<kind>/<name> (docs/api.md)."""


def read_site(path: Path) -> Site:
    """Raises Misconfigured, naming the file and the field."""
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        return Site.model_validate(document)
    except FileNotFoundError:
        raise Misconfigured(f"{path} does not exist. It binds the plan's targets to balancers: docs/live.md.") from None
    except (YAMLError, ValidationError) as error:
        raise Misconfigured(f"{path} cannot be used: {error}") from error


def binding_of(site: Site, target: str) -> dict[str, Any]:
    """What a deployment records of its binding, and sign-offs are bound to: addresses, never credentials."""
    found = site.targets.get(target)
    if found is None:
        raise Misconfigured(f"site.yaml binds no target {target!r}; it has {', '.join(site.targets) or 'none'}.")
    return {
        "kind": site.kind,
        "provider": found.provider,
        "public_url": found.public_url,
        "sides": {side.value: address.url for side, address in found.sides.items()},
        **found.pinned,
    }


def snapshot_of(site: Site, target: str) -> dict[str, Any]:
    """The target's binding as a capsule carries it: everything in site.yaml about it, files by their full path, since a
    capsule is opened from wherever a person stands. Credentials are named, never held."""
    kept: dict[str, Any] = site.targets[target].model_dump()
    return dict(_plain(kept))


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case Path():
            return str(value.absolute())
    return value


HOST_AND_PORT = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]*):\d{1,5}")


def hosts_of(binding: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in a binding's addresses (`https://host/…`, `host:port`, and the endpoints of its cloud region): what a
    capsule pins so that no name service is needed."""
    found: dict[str, None] = {}
    if binding.get("provider") == "aws" and not binding.get("endpoint_url"):
        found = {f"{service}.{binding['region']}.amazonaws.com": None for service in ("elasticloadbalancing", "sts")}
    parts: list[Any] = [binding]
    while parts:
        part = parts.pop(0)
        if isinstance(part, Mapping):
            parts += part.values()
        elif isinstance(part, list | tuple):
            parts += part
        elif isinstance(part, str) and "://" in part and (host := urlsplit(part).hostname):
            found[host] = None
        elif isinstance(part, str) and (match := HOST_AND_PORT.fullmatch(part)):
            found[match[1]] = None
    return tuple(found)


def bind_order(order: Order) -> tuple[TrafficTarget, Prober]:
    """What break-glass steers and looks with, from the capsule alone. Raises Misconfigured."""
    try:
        site: TargetSite = TypeAdapter(TargetSite).validate_python(order.binding)
    except ValidationError as error:
        raise Misconfigured(f"The capsule's binding cannot be used by this version of gonogo: {error}") from error
    digests = {order.releases[side].digest: side for side in Side}
    prober = HttpProber(site.public_url, identity=order.identity, digests=digests)
    return _balancer(order.target, site), prober


@dataclass(frozen=True)
class BoundTarget:
    """A target with everything that is needed to steer it, see it and measure it."""

    name: str
    traffic: TrafficTarget
    prober: Prober
    metrics: MetricsSource
    customers: Customers | None
    side_urls: Mapping[Side, str]
    follower: Follower | None = None

    async def aclose(self) -> None:
        for port in (self.traffic, self.prober, self.metrics, self.customers, self.follower):
            if port is not None:
                await port.aclose()


@dataclass(frozen=True)
class Ports:
    """All ports of one process. Targets are bound for a plan, because it says how a release tells who it is."""

    site: Site
    clock: Clock = field(default_factory=SystemClock)

    def bind(self, plan: Plan, target: str, releases: Mapping[Side, Release]) -> BoundTarget:
        """Connect a plan's target to the site's. Raises Misconfigured if the site binds no such name."""
        binding_of(self.site, target)
        spec, site = plan.target(target), self.site.targets[target]
        digests = {releases[side].digest: side for side in Side}
        customers = None
        if self.site.range is not None:
            customers = RangeCustomers(self.site.range.control_url, self.site.range.token_file)
        return BoundTarget(
            name=target,
            traffic=_balancer(target, site),
            prober=HttpProber(site.public_url, identity=spec.identity, digests=digests),
            metrics=PrometheusText({side: address.url + address.metrics for side, address in site.sides.items()}),
            customers=customers,
            side_urls={side: address.url for side, address in site.sides.items()},
            follower=_follower(site),
        )


def _balancer(name: str, site: TargetSite) -> TrafficTarget:
    """The one place that says which provider a binding asks for."""
    sides = {
        side: SideAddress(url=address.url, health=address.health, required=address.required)
        for side, address in site.sides.items()
    }
    match site:
        case AgentTarget():
            return AgentBalancer(name, site.agent_url, site.agent_token_file, sides)
        case HaproxyTarget():
            return HaproxyBalancer(name, site.farm(name), site.state_folder, sides)
        case ScriptTarget():
            around = Surroundings(site.folder, site.environment, site.secrets)
            return ScriptBalancer(name, site.commands(), around, site.state_folder, sides)
        case AwsTarget():
            # boto3 takes a quarter of a second to import, and only an installation on AWS needs it.
            from app.providers.aws.making import make_balancer

            routes = {route.name: route.arn for route in site.routes}
            return make_balancer(name, _access(site), routes, site.target_groups, sides, site.owner)


def _follower(site: TargetSite) -> Follower | None:
    """What follows the balancer, if the binding names it."""
    if not isinstance(site, AwsTarget) or site.dns is None:
        return None
    from app.providers.aws.making import make_follower

    dns = site.dns
    aliases = {side: (alias.name, alias.zone) for side, alias in (dns.alias or {}).items()}
    return make_follower(_access(site), dns.zone, dns.name, dns.type, dns.weighted, aliases)


def _access(site: AwsTarget) -> Access:
    return Access(
        region=site.region,
        endpoint_url=site.endpoint_url,
        profile=site.credentials.profile,
        credentials_file=site.credentials.file,
        role_arn=site.credentials.role_arn,
        external_id=site.credentials.external_id,
    )


def make_ports(settings: Settings) -> Ports:
    """Raises Misconfigured when the site's kind and the installation's mode differ."""
    site = read_site(settings.site_file)
    if site.kind != settings.mode:
        raise Misconfigured(
            f"{settings.site_file} is for {site.kind}, this installation runs {settings.mode}. "
            "A range has no live bindings, and a live installation no one-click persons."
        )
    return Ports(site)
