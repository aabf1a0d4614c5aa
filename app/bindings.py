"""The bindings of site.yaml: what each kind of balancer needs to be told, and the provider that it asks for.

A provider and its libraries are imported where a binding asks for it: `gonogo rollback-now` needs one of them, at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.config import Misconfigured
from app.domain.capsule import Order
from app.domain.sides import Side
from app.ports.follower import Follower
from app.ports.probe import Prober
from app.ports.script import Scripts
from app.ports.traffic import TrafficTarget
from app.providers.aws.access import Access
from app.providers.http_probe import HttpProber
from app.providers.side_address import SideAddress

if TYPE_CHECKING:
    from app.providers.haproxy import Farm
    from app.providers.script import Commands


class Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class SideSite(Node):
    """Where a side answers for itself: its base URL and paths there; `required` healthy targets make it healthy."""

    url: str
    health: str = "/health"
    metrics: str = "/metrics"
    required: Annotated[int, Field(ge=1)] = 1


class FigureSite(Node):
    """How a plan's metric is computed from the Prometheus page of a side (docs/live.md)."""

    kind: Literal["quantile", "share", "level", "rate"]
    series: Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=200)]
    """`quantile`: a histogram; `share`, `rate`: a counter; `level`: a gauge."""
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    scale: Annotated[float, Field(gt=0)] = 1
    """What a value is multiplied by: 1000 makes ms of seconds."""
    label: str = ""
    starts: str = ""
    """For `share`: the part of the counter whose label starts so."""
    of: str = ""
    """For `level` and `rate`: the gauge that is the whole; the figure is a percentage of it."""

    @model_validator(mode="after")
    def _whole(self) -> "FigureSite":
        if (self.kind == "share" and not (self.label and self.starts)) or (self.kind == "rate" and not self.of):
            raise ValueError("a share needs label and starts, a rate needs of")
        return self


MetricKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class BoundSite(Node):
    """What every provider's binding says: the way in for customers, and where each side answers for itself."""

    public_url: str
    sides: dict[Side, SideSite]
    figures: dict[MetricKey, FigureSite] = {}
    """By the plan's metric; those that every site knows need no entry."""

    @property
    def pinned(self) -> dict[str, Any]:
        """What more of it sign-offs are bound to: resource ids, never credentials."""
        return {}


class AgentTarget(BoundSite):
    """A balancer behind gonogo's balancer agent API (docs/range.md)."""

    provider: Literal["agent"]
    agent_url: str
    agent_token_file: Path


class HaproxyInstance(Node):
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

    def farm(self, target: str) -> "Farm":
        """Raises ValueError for what HAProxy could not mean."""
        from app.providers.haproxy import Farm, Instance

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
    from app.providers.script.running import OWN

    if name.startswith(OWN):
        raise ValueError(f"{name} is gonogo's own, and may hold the database's password: scripts never get it")
    return name


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_not_ours)]
Deadline = Annotated[float, Field(gt=0, le=60)]


class ScriptDeadlines(Node):
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

    def commands(self) -> "Commands":
        from app.providers.script import Commands

        own = self.deadlines
        return Commands(self.read, self.set, self.verify or (), own.read, own.set, own.verify)


class ScriptsSite(Node):
    """Where the scripts of a plan's steps are (docs/live.md). `environment` names variables of the workers that they
    may see, `secrets` are variables read from files. The values of both are taken out of the output, but for those of
    `environment` that `shown` names. `user`: who they run as."""

    folder: Path
    environment: tuple[Variable, ...] = ()
    shown: tuple[Variable, ...] = ()
    secrets: dict[Variable, Path] = {}
    user: Annotated[str, Field(max_length=32)] = ""

    @model_validator(mode="after")
    def _shows_no_secret(self) -> "ScriptsSite":
        if wrong := set(self.shown) - set(self.environment):
            raise ValueError(f"shown may name variables of environment only, not {', '.join(sorted(wrong))}")
        return self

    def bind(self, user: str | None = None, within: float | None = None) -> Scripts:
        """As `user` of this machine, empty for the own one; the site's unless said otherwise. `within`: seconds for a
        look into the folder."""
        from app.providers.script.folder import ANSWERS_WITHIN, ScriptFolder
        from app.providers.script.running import Surroundings

        around = Surroundings(self.folder.absolute(), self.environment, self.secrets)
        return ScriptFolder(around, self.user if user is None else user, self.shown, within or ANSWERS_WITHIN)


class AwsCredentials(Node):
    """By reference, never keys: a profile (in `file`, else in the usual places), a role to assume, or neither, for
    what the machine itself has."""

    profile: str | None = None
    file: Path | None = None
    role_arn: str | None = None
    external_id: str | None = None


class AwsRoute(Node):
    """A listener (its default action) or a rule, pinned by its ARN; `name` is what people read."""

    arn: Annotated[str, Field(pattern=r"^arn:[\w-]+:elasticloadbalancing:[\w-]+:\d{12}:listener(-rule)?/app/[\w/-]+$")]
    name: Annotated[str, Field(min_length=1, max_length=60)]


class AwsAlias(Node):
    name: str
    zone: str


class AwsRecords(Node):
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
SITE_OF: Mapping[str, type[AgentTarget] | type[HaproxyTarget] | type[ScriptTarget] | type[AwsTarget]] = {
    "agent": AgentTarget,
    "haproxy": HaproxyTarget,
    "script": ScriptTarget,
    "aws": AwsTarget,
}


def bind_order(order: Order) -> tuple[TrafficTarget, Prober]:
    """What break-glass steers and looks with, from the capsule alone. Raises Misconfigured."""
    known = SITE_OF.get(str(order.binding.get("provider")))
    if known is None:
        raise Misconfigured("The capsule's binding names a provider that this version of gonogo does not know.")
    try:
        site = known.model_validate(order.binding)
    except ValidationError as error:
        raise Misconfigured(f"The capsule's binding cannot be used by this version of gonogo: {error}") from error
    digests = {order.releases[side].digest: side for side in Side}
    prober = HttpProber(site.public_url, identity=order.identity, digests=digests)
    return balancer_of(order.target, site), prober


def balancer_of(name: str, site: TargetSite) -> TrafficTarget:
    """The one place that says which provider a binding asks for."""
    sides = {
        side: SideAddress(url=address.url, health=address.health, required=address.required)
        for side, address in site.sides.items()
    }
    match site:
        case AgentTarget():
            from app.providers.agent_balancer import AgentBalancer

            return AgentBalancer(name, site.agent_url, site.agent_token_file, sides)
        case HaproxyTarget():
            from app.providers.haproxy import HaproxyBalancer

            return HaproxyBalancer(name, site.farm(name), site.state_folder, sides)
        case ScriptTarget():
            from app.providers.script import ScriptBalancer
            from app.providers.script.running import Surroundings

            around = Surroundings(site.folder, site.environment, site.secrets)
            return ScriptBalancer(name, site.commands(), around, site.state_folder, sides)
        case AwsTarget():
            from app.providers.aws.making import make_balancer

            routes = {route.name: route.arn for route in site.routes}
            return make_balancer(name, _access(site), routes, site.target_groups, sides, site.owner)


def follower_of(site: TargetSite) -> Follower | None:
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
