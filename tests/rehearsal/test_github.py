"""The rehearsal's scripts of phase 2 against the range's stand-in for GitHub: they do what they say."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.domain.plan import Plan
from app.domain.scripts import State
from app.rehearsal.github import Organisations, figures, github_routes
from app.rehearsal.site_file import GITHUB_VARIABLE
from tests.rehearsal.stand_in import run_script, served

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
    async with served(routes) as found.port:
        monkeypatch.setenv(GITHUB_VARIABLE, f"127.0.0.1:{found.port}")
        (tmp_path / "token").write_text(TOKEN)
        yield found


async def play(github: Github, plan: Plan, number: int) -> tuple[State, str, str]:
    """The n-th script of phase 2."""
    return await run_script(plan.phase("github").actions[number], GITHUB_VARIABLE, github.folder / "token")


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
