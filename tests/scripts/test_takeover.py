"""Real worker processes: one that runs a script is killed, another stands still. Nothing is run twice."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from app.config import ROOT, Settings
from app.db.engine import Database
from app.db.tables import Deployment, ScriptOutput, ScriptRun, StepRun
from app.domain.plan import Plan
from app.domain.steps import Change
from app.scripts import commands
from app.scripts.forms import ScriptForm
from app.steps.commands import change_step
from app.steps.forms import StepForm
from app.web.access import Scope
from app.wiring import Site
from tests.conftest import Seeder, make_scope_of
from tests.known_plans import ALAWAEL
from tests.phases.ready import running

pytestmark = pytest.mark.timeout(120)
SCRIPT = "alawael-phase2-github-config.sh"


@dataclass
class Workers:
    database: Database
    deployment: Deployment
    lead: Scope
    folder: Path
    environment: dict[str, str]
    started: dict[str, subprocess.Popen[bytes]]

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.started[name] = subprocess.Popen(
                [sys.executable, "-m", "app.worker"],
                env={**self.environment, "GONOGO_WORKER_NAME": name},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def script(self, body: str) -> None:
        (self.folder / SCRIPT).write_text(f"echo run >> {self.folder}/runs\necho begun\n{body}\n")

    async def ask(self) -> int:
        form = ScriptForm(version=0)
        return await self.database.run(
            lambda s: commands.request_run(s, self.lead, "github", "configure_github", form, "")
        )

    async def run(self, number: int) -> ScriptRun:
        return await self.database.read(lambda s: s.get_one(ScriptRun, number, populate_existing=True))

    async def step(self) -> StepRun:
        wanted = select(StepRun).where(StepRun.step == "configure_github").execution_options(populate_existing=True)
        return await self.database.read(lambda s: _one(s, wanted))

    async def begun(self, number: int) -> str:
        """Wait until it prints; the name of the worker that runs it."""

        async def is_so() -> bool:
            rows = await self.database.read(lambda s: s.scalars(select(ScriptOutput.text)))
            return any("begun" in row for row in rows)

        await until(is_so)
        return (await self.run(number)).worker.partition(".")[0]

    @property
    def runs(self) -> int:
        return (self.folder / "runs").read_text().count("run")


async def _one(session: Any, wanted: Any) -> Any:
    return (await session.execute(wanted)).scalar_one()


async def until(is_so: Callable[[], Awaitable[bool]], within: float = 40) -> None:
    async with asyncio.timeout(within):
        while not await is_so():
            await asyncio.sleep(0.1)


def alive_with(mark: str) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE and mark in " ".join(process.info["cmdline"] or ())
    ]


@pytest.fixture
async def workers(
    committed_db: Database, database_url: str, seed: Seeder, plan: Plan, settings: Settings, site: Site, tmp_path: Path
) -> AsyncIterator[Workers]:
    deployment = await seed(committed_db)
    lead = await make_scope_of(committed_db, settings)(deployment, "devops_lead")
    await running(committed_db, deployment, plan, lead)
    folder = tmp_path / "scripts"
    folder.mkdir()
    document = site.model_copy(update={"scripts": {"folder": str(folder)}}).model_dump_json(warnings=False)
    settings = replace(settings, site_file=tmp_path / "site.yaml")
    settings.site_file.write_text(document)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GONOGO_")}
    environment = {
        **kept,
        "GONOGO_DATABASE_URL": database_url,
        "GONOGO_SITE": str(settings.site_file),
        "GONOGO_MODE": "range",
        "GONOGO_DATA": str(tmp_path / "data"),
    }
    found = Workers(committed_db, deployment, lead, folder, environment, {})
    for name in ("one", "two"):
        found.start(name)
    yield found
    for process in found.started.values():
        process.send_signal(signal.SIGCONT)
        process.kill()
        await asyncio.to_thread(process.wait)


async def test_the_death_of_its_worker_ends_the_script_and_asks_a_person(workers: Workers, tmp_path: Path) -> None:
    mark = f"child-{os.getpid()}-{tmp_path.name}"
    workers.script(f"trap '' TERM; setsid bash -c 'exec -a {mark} sleep 600' & while :; do sleep 1; done")
    number = await workers.ask()
    name = await workers.begun(number)
    await until(lambda: _true(len(alive_with(mark)) == 1))
    workers.started[name].kill()
    killed = asyncio.get_running_loop().time()
    await until(lambda: _true(not alive_with(mark) and not alive_with(f"{workers.folder}/{SCRIPT}")), within=5)

    async def is_lost() -> bool:
        return (await workers.run(number)).state == "lost"

    await until(is_lost)
    assert asyncio.get_running_loop().time() - killed < 15
    step = await workers.step()
    assert step.state == "failed"
    assert "Whether the script came to its end is not known" in step.evidence
    await asyncio.sleep(2)
    assert workers.runs == 1


async def test_a_frozen_worker_adds_nothing_once_it_is_back(workers: Workers) -> None:
    workers.script("for i in 1 2 3 4 5 6 7 8; do sleep 2; echo line $i; done; echo the end")
    number = await workers.ask()
    name = await workers.begun(number)
    workers.started[name].send_signal(signal.SIGSTOP)

    async def is_lost() -> bool:
        return (await workers.run(number)).state == "lost"

    await until(is_lost)
    step = await workers.step()
    form = StepForm(text="set up in the console", version=step.version)
    await workers.database.run(
        lambda s: change_step(s, workers.lead, "github", "configure_github", Change.BYPASS, form)
    )
    before = await workers.run(number)
    workers.started[name].send_signal(signal.SIGCONT)
    await until(lambda: _true(not alive_with(f"{workers.folder}/{SCRIPT}")), within=15)
    await asyncio.sleep(1)
    after, step = await workers.run(number), await workers.step()
    assert (after.state, after.total, after.finished_at) == ("lost", before.total, before.finished_at)
    assert (step.state, step.evidence) == ("skipped", "set up in the console")
    assert workers.started[name].poll() is None, "the worker itself goes on"
    assert workers.runs == 1


def repeating() -> Plan:
    """The plan, where the script may simply be run again."""
    phases = tuple(
        phase.model_copy(
            update={
                "actions": tuple(
                    action.model_copy(update={"idempotent": action.key == "configure_github"})
                    for action in phase.actions
                )
            }
        )
        for phase in ALAWAEL.phases
    )
    return ALAWAEL.model_copy(update={"phases": phases})


@pytest.mark.parametrize("plan", [repeating()], ids=["idempotent"])
async def test_a_frozen_workers_script_is_gone_before_another_worker_repeats_it(workers: Workers) -> None:
    """It hears no TERM and has a child in a session of its own: neither beats once its repeat has begun."""
    beat = f"while :; do echo $1 $(date +%s%N) >> {workers.folder}/beats; sleep 0.05; done"
    (workers.folder / "beat.sh").write_text(f"trap '' TERM\n{beat}\n")
    beats = f"setsid bash {workers.folder}/beat.sh $$ & exec bash {workers.folder}/beat.sh $$"
    workers.script(f"trap '' TERM\n{beats}")
    number = await workers.ask()
    first = await workers.begun(number)
    workers.started[first].send_signal(signal.SIGSTOP)
    await until(lambda: _true(workers.runs == 2))
    await asyncio.sleep(1)
    workers.started[first].send_signal(signal.SIGCONT)
    await asyncio.sleep(2)
    lines = [line.split() for line in (workers.folder / "beats").read_text().splitlines()]
    times: dict[str, list[int]] = {}
    for script, at in (line for line in lines if len(line) == 2):
        times.setdefault(script, []).append(int(at))
    old, new = sorted(times.values(), key=min)
    assert max(old) < min(new), "they ran beside each other"
    run = await workers.run(number)
    assert (run.state, run.begun) == ("running", 2)
    assert not run.worker.startswith(f"{first}.")
    assert workers.started[first].poll() is None, "the worker itself goes on"


async def _true(value: bool) -> bool:
    return value
