"""site.yaml: a binding that could not be meant is refused with the field's name."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app.config import Misconfigured
from app.domain.plan import Plan
from app.domain.sides import Release, Side
from app.providers.haproxy import HaproxyBalancer
from app.providers.script import ScriptBalancer
from app.wiring import Ports, binding_of, read_site

SIDES = {"BLUE": {"url": "http://blue.internal"}, "GREEN": {"url": "http://green.internal"}}
HAPROXY: dict[str, Any] = {
    "provider": "haproxy",
    "public_url": "https://app.example.com",
    "instances": [
        {"name": "lb1", "address": "unix:/run/haproxy/admin.sock"},
        {"name": "lb2", "address": "10.0.0.2:9999"},
    ],
    "backends": {"web": {"BLUE": ["blue1", "blue2"], "GREEN": ["green1"]}},
    "state_folder": "/var/lib/gonogo",
    "sides": SIDES,
}
SCRIPT: dict[str, Any] = {
    "provider": "script",
    "public_url": "https://app.example.com",
    "read": ["./read-weights"],
    "set": ["./set-weights", "{blue}", "{green}", "{epoch}"],
    "folder": "/opt/deploy",
    "environment": ["AWS_PROFILE"],
    "secrets": {"TOKEN": "/run/secrets/token"},
    "state_folder": "/var/lib/gonogo",
    "sides": SIDES,
}


def write(folder: Path, target: dict[str, Any]) -> Path:
    path = folder / "site.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump({"kind": "live", "targets": {"production": target}}, stream)
    return path


@pytest.mark.parametrize(("target", "kind"), [(HAPROXY, HaproxyBalancer), (SCRIPT, ScriptBalancer)])
async def test_a_binding_becomes_its_provider(
    tmp_path: Path, plan: Plan, target: dict[str, Any], kind: type[object]
) -> None:
    releases = {side: Release("1", f"sha256:{side}") for side in Side}
    bound = Ports(read_site(write(tmp_path, target))).bind(plan, "production", releases)
    assert isinstance(bound.traffic, kind)
    await bound.aclose()


def test_sign_offs_are_bound_to_what_is_steered_and_never_to_secrets(tmp_path: Path) -> None:
    haproxy = binding_of(read_site(write(tmp_path, HAPROXY)), "production")
    assert haproxy["instances"]["lb2"] == "10.0.0.2:9999"
    assert haproxy["backends"] == {"web": {"BLUE": ["blue1", "blue2"], "GREEN": ["green1"]}}
    script = binding_of(read_site(write(tmp_path, SCRIPT)), "production")
    assert script["set"][0] == "./set-weights"
    assert "/run/secrets" not in str(script)


@pytest.mark.parametrize(
    ("base", "change", "word"),
    [
        (HAPROXY, {"backends": {"web": {"BLUE": ["blue1"]}}}, "needs servers on both sides"),
        (HAPROXY, {"backends": {"web": {"BLUE": ["a"], "GREEN": ["a"]}}}, "named twice"),
        (HAPROXY, {"backends": {"web; shutdown sessions": {"BLUE": ["a"], "GREEN": ["b"]}}}, "not a name"),
        (HAPROXY, {"backends": {"web": {"BLUE": ["a\nset server x"], "GREEN": ["b"]}}}, "not a name"),
        (HAPROXY, {"instances": []}, "at least one"),
        (HAPROXY, {"instances": [{"name": "lb1", "address": "/run/haproxy.sock"}]}, "address"),
        (SCRIPT, {"set": ["./set-weights", "{green}"]}, "{epoch}"),
        (SCRIPT, {"set": "./set-weights {green} {epoch}"}, "set"),
        (SCRIPT, {"environment": ["GONOGO_DATABASE_URL"]}, "scripts never get it"),
        (SCRIPT, {"deadlines": {"set": 600}}, "deadlines"),
        (SCRIPT, {"provider": "shell"}, "provider"),
    ],
)
def test_what_could_not_be_meant_is_refused(
    tmp_path: Path, base: dict[str, Any], change: dict[str, Any], word: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        read_site(write(tmp_path, {**base, **change}))
    assert word in str(refused.value)
