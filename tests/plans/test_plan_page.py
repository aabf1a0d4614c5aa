"""The Plan page over HTTP: for everybody on the roster, for nobody else."""

import pytest

from app.domain.plan import plan_hash
from app.providers.plan_yaml import load_plan
from tests.conftest import PLAN_FILE, Web


@pytest.mark.parametrize("login", ["project_manager", "devops_1", "support", "executive"])
async def test_every_position_reads_the_whole_plan(web: Web, login: str) -> None:
    client = await web.client_as(login)
    answer = await client.get(f"/d/{web.deployment.id}/plan")
    assert answer.status_code == 200
    for text in (
        "Phase 4B: Emergency rollback",
        "Infrastructure ready? GREEN healthy?",
        "Schema step 41 adds a column; BLUE can read it",
        "Authentication system down",
        "Executing scripts without confirmation",
    ):
        assert text in answer.text


async def test_printed_pages_carry_plan_and_time(web: Web) -> None:
    client = await web.client_as("operations")
    answer = await client.get(f"/d/{web.deployment.id}/plan/print.css")
    assert answer.headers["content-type"].startswith("text/css")
    foot = answer.text.partition('content: "')[2].partition('"')[0]
    letters = _unescaped(foot)
    plan = load_plan(PLAN_FILE.read_text(encoding="utf-8"), "alawael.yaml")
    assert f"ALAWAEL 0.9.4 → 1.0.0 · rehearsal · plan alawael@{plan_hash(plan)[:12]}" in letters
    assert "America/New_York" in letters


def _unescaped(foot: str) -> str:
    """CSS escapes of six hex digits, as letters."""
    text = ""
    while foot:
        if foot[0] == "\\":
            text, foot = text + chr(int(foot[1:7], 16)), foot[7:]
        else:
            text, foot = text + foot[0], foot[1:]
    return text


async def test_the_plan_is_given_out_as_written(web: Web) -> None:
    client = await web.client_as("backend_lead")
    answer = await client.get(f"/d/{web.deployment.id}/plan/source")
    assert answer.text == PLAN_FILE.read_text(encoding="utf-8")
    assert "attachment" in answer.headers["content-disposition"]


@pytest.mark.parametrize("path", ["", "/source", "/print.css"])
async def test_nobody_reads_nothing(web: Web, path: str) -> None:
    client = await web.client_as(None)
    answer = await client.get(f"/d/{web.deployment.id}/plan{path}")
    assert answer.status_code in (303, 401)
    assert "Infrastructure ready?" not in answer.text
