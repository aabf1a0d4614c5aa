"""`gonogo rollback-now` starts light: on the overloaded machine of an outage each import waits its turn."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import FLAGS, WORDS, understood
from app.command_line import app as every_command
from app.config import ROOT
from app.orchestrator.break_glass import Ending
from app.rollback_now import Wish
from tests.orchestrator.test_break_glass import order

NEVER = {"fastapi", "starlette", "sqlalchemy", "psycopg", "procrastinate", "jinja2", "ruamel", "app.db", "app.web"}
"""Not even to explain itself."""
NOT_ON_THE_WAY = NEVER | {"typer", "click", "rich", "boto3", "botocore", "app.wiring", "app.domain.plan"}

BINDING = {
    "provider": "agent",
    "public_url": "http://127.0.0.1:9",
    "sides": {side: {"url": "http://127.0.0.1:9"} for side in ("BLUE", "GREEN")},
    "agent_url": "http://127.0.0.1:9",
    "agent_token_file": "token",
}
RUN = """
import json, os, sys

leave = os._exit

def told(code):
    names = sorted(name for name, module in sys.modules.items() if module)
    print(json.dumps({"code": code, "modules": names}), flush=True)
    leave(0)

os._exit = told
sys.argv = ["gonogo", *sys.argv[1:]]
from app.cli import main
try:
    main()
except SystemExit as end:
    if end.code:
        raise
    told(end.code)
"""
BIND = """
import json, sys
from app.cli import TAKEN_ALONG
sys.modules.update(dict.fromkeys(TAKEN_ALONG))
from app.rollback_now import bind_order
from app.domain.capsule import Order
traffic, prober = bind_order(Order.model_validate_json(sys.argv[1]))
names = sorted(name for name, module in sys.modules.items() if module)
print(json.dumps({"provider": type(traffic).__name__, "modules": names}))
"""


def _run(script: str, *arguments: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def _among(found: dict[str, object], unwanted: set[str]) -> set[str]:
    modules = found["modules"]
    assert isinstance(modules, list)
    return {name for name in unwanted if any(one == name or one.startswith(f"{name}.") for one in modules)}


def test_the_way_back_loads_neither_database_nor_web_nor_the_other_commands(tmp_path: Path) -> None:
    found = _run(RUN, "rollback-now", "--yes", "--data", str(tmp_path))
    assert found["code"] == Ending.NO_CAPSULE
    assert _among(found, NOT_ON_THE_WAY) == set()


def test_its_help_loads_neither_database_nor_web() -> None:
    assert _among(_run(RUN, "rollback-now", "--help"), NEVER) == set()


def test_an_agent_is_bound_with_nothing_more() -> None:
    found = _run(BIND, order(binding=BINDING).model_dump_json())
    assert found["provider"] == "AgentBalancer"
    assert _among(found, NEVER | {"boto3", "botocore", "app.providers.haproxy", "app.providers.script"}) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--yse"],
        ["--target"],
        ["--target", "--yes"],
        ["--yes=1"],
        ["production"],
        ["--", "--yes"],
        ["--dat", "folder"],
    ],
)
def test_what_is_not_understood_is_left_to_who_can_explain(arguments: list[str]) -> None:
    assert understood(arguments) is None


def test_what_is_typed_is_what_is_done() -> None:
    plain = Wish(None, "", False, False, False, False, "")
    assert Wish(**understood([]) or {}) == plain
    typed = ["--data", "folder", "--reason=a = b", "--target", "other", "--yes", "--use-dns", "--target=production"]
    every = [*typed, "--although-blue-is-unhealthy", "--although-expired"]
    assert Wish(**understood(every) or {}) == Wish(Path("folder"), "production", True, True, True, True, "a = b")


def test_both_readers_of_the_command_know_the_same_options() -> None:
    command = next(one for one in every_command.registered_commands if one.name == "rollback-now")
    assert command.callback is not None
    names = {f"--{name.replace('_', '-')}" for name in command.callback.__annotations__ if name != "return"}
    assert names == {*FLAGS, *WORDS}
