"""The rehearsal's scripts of phase 2 against the range's stand-in for GitHub: they do what they say."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from app.domain.plan import Plan
from app.domain.scripts import State, judge, signals_of, signals_seen
from app.providers.script.folder import ScriptFolder
from app.providers.script.running import Surroundings
from app.rehearsal.github import Organisations, figures, github_routes
from app.rehearsal.site_file import GITHUB_VARIABLE, SCRIPTS

TOKEN = "the-token-of-the-range"


@dataclass
class Github:
    kept: Organisations
    folder: Path
    port: int = 0
    refuses: bool = False


@pytest.fixture
async def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Github]:
    found = Github(Organisations(tmp_path), tmp_path)
    routes = github_routes(found.kept, TOKEN, lambda: found.refuses)
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    found.port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setenv(GITHUB_VARIABLE, f"127.0.0.1:{found.port}")
    (tmp_path / "token").write_text(TOKEN)
    yield found
    server.should_exit = True
    await serving


async def play(github: Github, plan: Plan, number: int) -> tuple[State, str, str]:
    """The verdict on the n-th script of phase 2, its reason and its output."""
    action = plan.phase("github").actions[number]
    signals, fatal_from = signals_of(action)
    secrets = {f"{GITHUB_VARIABLE}_TOKEN": github.folder / "token"}
    folder = ScriptFolder(Surroundings(SCRIPTS, (GITHUB_VARIABLE,), secrets))
    text, seen = "", {}
    async with folder.start(action.command, within=60, signals=signals, fatal_from=fatal_from) as run:
        async for piece in run.pieces():
            text += piece.text
            seen |= {one.signal: (one.line, one.text) for one in piece.seen}
        ended = run.ended
    verdict = judge(
        signals_seen(action, seen), how=ended.how, code=ended.code, problem=ended.problem, survivors=ended.survivors,
        within_s=60,
    )  # fmt: skip
    return verdict.state, verdict.reason, text


async def test_phase_2_is_set_up_and_verified_and_may_be_set_up_again(github: Github, plan: Plan) -> None:
    state, reason, text = await play(github, plan, 1)
    assert state is State.FAILED, "there is nothing to verify yet"
    assert "HTTP 404" in text
    for _ in range(2):
        state, reason, text = await play(github, plan, 0)
        assert (state, reason) == (State.DONE, "Exit code 0, all 6 success signals seen"), text
        org = github.kept.of("alawael-org")
        assert org is not None
        assert figures(org) == {
            "teams": 6, "members": 48, "repositories": 5, "protected": 5, "workflows": 5, "secrets": 8,
        }  # fmt: skip
    assert "team backend: 10 of 10 members\n" in text
    assert text.count("team backend") == 1, "progress lines collapse"
    state, reason, text = await play(github, plan, 1)
    assert (state, reason) == (State.DONE, "Exit code 0"), text
    del org["teams"]["security"]
    state, reason, text = await play(github, plan, 1)
    assert (state, reason) == (State.FAILED, "It ended with exit code 1.")
    assert "❌ Teams: 5, expected 6" in text


async def test_secrets_are_kept_encrypted_and_survive_a_restart(github: Github, plan: Plan) -> None:
    await play(github, plan, 0)
    kept = json.loads((github.folder / "github.json").read_text())["alawael-org"]["secrets"]
    assert len(kept) == 8
    assert all(value.startswith("gAAAA") for value in kept.values())
    again = Organisations(github.folder).of("alawael-org")
    assert again is not None
    assert figures(again)["secrets"] == 8


async def test_a_refusal_is_what_the_manual_looks_for(github: Github, plan: Plan) -> None:
    github.refuses = True
    state, reason, text = await play(github, plan, 0)
    assert state is State.FAILED
    assert reason.startswith(
        "Its output says “HTTP 403 Forbidden” in line 2: ❌ gh: HTTP 403 Forbidden (PUT /orgs/alawael-org)"
    )
    assert TOKEN not in text


async def test_a_wrong_token_is_an_authentication_that_failed(github: Github, plan: Plan) -> None:
    (github.folder / "token").write_text("another-token")
    state, reason, text = await play(github, plan, 0)
    assert state is State.FAILED
    assert "“Authentication failed”" in reason
    assert "another-token" not in text


async def test_a_github_that_does_not_answer(github: Github, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GITHUB_VARIABLE, "127.0.0.1:9")
    state, reason, _ = await play(github, plan, 0)
    assert state is State.FAILED
    assert "“Network timeout”" in reason
