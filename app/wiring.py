"""Composition root: settings and site.yaml → ports. The plan names a target; the site binds the name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from app.bindings import FigureSite, Node, ScriptsSite, TargetSite, balancer_of, follower_of
from app.config import Misconfigured, Settings
from app.domain.plan import Plan
from app.domain.sides import Release, Side
from app.ports.clock import Clock
from app.ports.customers import Customers
from app.ports.follower import Follower
from app.ports.metrics import MetricsSource
from app.ports.probe import Prober
from app.ports.script import Scripts
from app.ports.traffic import TrafficTarget
from app.providers.alert_hooks import AlertHook, HookName
from app.providers.clock import SystemClock
from app.providers.http_probe import HttpProber
from app.providers.prometheus_scrape import Formula, Level, Quantile, Rate, Share
from app.providers.prometheus_text import FORMULAS, PrometheusText
from app.providers.range_customers import RangeCustomers

READINGS_IN_A_WINDOW = 5
LONGEST_WINDOW_S = 10.0


class RangeSite(Node):
    """`customers`: targets whose customers are counted somewhere else than at the control API's own address."""

    control_url: str
    token_file: Path
    customers: dict[str, str] = {}


class Site(Node):
    """site.yaml: what this installation binds the plans' names to. `range` and `live` never mix."""

    kind: Literal["range", "live"]
    targets: dict[str, TargetSite]
    range: RangeSite | None = None
    scripts: ScriptsSite | None = None
    """Where the scripts of a plan's steps are; without it people do those steps by hand."""
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

    def scripts(self) -> Scripts | None:
        """What runs the scripts of a plan's steps; None where the site binds no folder."""
        return self.site.scripts.bind() if self.site.scripts is not None else None

    def bind(self, plan: Plan, target: str, releases: Mapping[Side, Release]) -> BoundTarget:
        """Connect a plan's target to the site's. Raises Misconfigured if the site binds no such name."""
        binding_of(self.site, target)
        spec, site = plan.target(target), self.site.targets[target]
        digests = {releases[side].digest: side for side in Side}
        customers = None
        if self.site.range is not None:
            url = self.site.range.customers.get(target, self.site.range.control_url)
            customers = RangeCustomers(url, self.site.range.token_file)
        return BoundTarget(
            name=target,
            traffic=balancer_of(target, site),
            prober=HttpProber(site.public_url, identity=spec.identity, digests=digests),
            metrics=_figures(plan, site),
            customers=customers,
            side_urls={side: address.url for side, address in site.sides.items()},
            follower=follower_of(site),
        )


def window_s(plan: Plan) -> float:
    """Seconds that rates and percentiles look back on: five readings of the metric that is read most often, and never
    more than 10 s. A longer window sees a fault later, a shorter one takes a single slow answer for one."""
    shortest = min((metric.every_s for metric in plan.metrics), default=LONGEST_WINDOW_S)
    return min(LONGEST_WINDOW_S, READINGS_IN_A_WINDOW * shortest)


def formula_of(figure: FigureSite) -> Formula:
    match figure.kind:
        case "quantile":
            return Quantile(figure.series, figure.quantile, figure.scale)
        case "share":
            return Share(figure.series, figure.label, figure.starts)
        case "level":
            return Level(figure.series, figure.of, figure.scale)
        case "rate":
            return Rate(figure.series, figure.of)


def _figures(plan: Plan, site: TargetSite) -> PrometheusText:
    """Both sides' own pages; the site's figures are computed besides the usual ones, and before them."""
    pages = {side: address.url + address.metrics for side, address in site.sides.items()}
    own = {key: formula_of(figure) for key, figure in site.figures.items()}
    return PrometheusText(pages, window_s=window_s(plan), formulas={**FORMULAS, **own})


def make_ports(settings: Settings) -> Ports:
    """Raises Misconfigured when the site's kind and the installation's mode differ."""
    site = read_site(settings.site_file)
    if site.kind != settings.mode:
        raise Misconfigured(
            f"{settings.site_file} is for {site.kind}, this installation runs {settings.mode}. "
            "A range has no live bindings, and a live installation no one-click persons."
        )
    return Ports(site)
