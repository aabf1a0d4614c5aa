"""An automatic rollback: breach complete → rollback accepted, beside Prometheus and Alertmanager with their quickest
sane settings, watching the same GREEN in the same rounds. Their chain ends at the webhook's arrival here: whatever they
would call then still has to roll back, so theirs is a lower bound. Their breach counts from the first evaluation that
saw it, ours from the first reading: what compares is the time from the fault."""

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from app.db.engine import Database, make_engine
from app.db.tables import Operation, TriggerState
from app.domain.plan import Plan
from app.providers.plan_yaml import load_plan
from app.rehearsal.supervisor import Installation
from app.seed import PLAN_FILE, create_rehearsal
from app.wiring import read_site
from tests.bench.rounds import Rounds, open_rounds
from tests.bench.spread import percentile, spread

SUSTAINED_S = 10
LATENCY_MS = 1500
LIMIT_MS = 1000
QUIET_S = 8.0
"""After the fault has gone: both sides see GREEN well again before the next round."""
WITHIN_S = 60.0


def short_plan() -> Plan:
    """ALAWAEL's, with the response time read each second and its breach lasting 10 s instead of 2 min."""
    plan = load_plan(PLAN_FILE.read_text(encoding="utf-8"), PLAN_FILE.name)
    triggers = tuple(
        trigger.model_copy(update={"sustained_s": SUSTAINED_S}) if trigger.key == "response_time" else trigger
        for trigger in plan.triggers
        if trigger.kind != "probe"
    )
    metrics = tuple(
        metric.model_copy(update={"every_s": 1}) if metric.key == "response_time" else metric for metric in plan.metrics
    )
    return plan.model_copy(update={"triggers": triggers, "metrics": metrics})


async def measure_triggers(installation: Installation, rounds: int) -> dict[str, Any]:
    database = Database(make_engine(installation.environment["GONOGO_DATABASE_URL"], pool_size=1))
    site, plan = read_site(installation.site_file), short_plan()
    made = await database.run(lambda session: create_rehearsal(session, site, plan, "bench"))
    await database.aclose()
    found: dict[str, list[float]] = {name: [] for name in ("recorded", "accepted", "whole", "webhook", "their_whole")}
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_rounds(installation, made.id))
        before = await opened.control.customers()
        beside = None
        if shutil.which("prometheus") and shutil.which("prometheus-alertmanager"):
            beside = await stack.enter_async_context(_beside(installation))
        for number in range(rounds):
            await _round(opened, beside, found)
            theirs = f", their webhook {found['webhook'][-1]:.0f} ms" if beside is not None else ""
            ours = f"fault → recorded {found['whole'][-1]:.0f} ms, complete → recorded {found['recorded'][-1]:.0f} ms"
            print(f"round {number + 1}: {ours}{theirs}", flush=True)
        after = await opened.control.customers()
    return {
        f"sustained {SUSTAINED_S} s complete → rollback recorded": spread(found["recorded"]),
        f"sustained {SUSTAINED_S} s complete → the balancer's yes": spread(found["accepted"]),
        "fault → rollback recorded": spread(found["whole"]),
        f"Prometheus, Alertmanager: {SUSTAINED_S} s complete → webhook": spread(found["webhook"]),
        "Prometheus, Alertmanager: fault → webhook": spread(found["their_whole"]),
        "theirs ÷ ours, fault → webhook or recorded, medians": _ratio(found),
        "customers' requests": after["requests"] - before["requests"],
        "customers' requests failed": after["failed"] - before["failed"],
    }


def _ratio(found: dict[str, list[float]]) -> str:
    if not found["webhook"]:
        return "not measured: prometheus and prometheus-alertmanager are not installed"
    return f"{percentile(found['their_whole'], 0.5) / percentile(found['whole'], 0.5):.2f}"


async def _round(rounds: Rounds, beside: "Beside | None", found: dict[str, list[float]]) -> None:
    """Five sign-offs, a switch, GREEN slow, and hands off until it has rolled back by itself."""
    await rounds.make_ready()
    await _switch(rounds)
    await asyncio.sleep(QUIET_S)
    if beside is not None:
        beside.webhooks.clear()
    broken = datetime.now(UTC)
    await rounds.control.set_knobs({"green": {"latency_ms": LATENCY_MS}})
    back = await _fired(rounds.database, broken)
    state = await rounds.database.read(
        lambda session: session.scalar(select(TriggerState).where(TriggerState.operation_id == back.id).limit(1))
    )
    assert state is not None
    assert state.complete_at is not None
    found["recorded"].append(_ms(state.complete_at, back.accepted_at))
    found["whole"].append(_ms(broken, back.accepted_at))
    if beside is not None:
        complete_at, heard_at = await beside.next_webhook()
        found["webhook"].append(_ms(complete_at, heard_at))
        found["their_whole"].append(_ms(broken, heard_at))
    await rounds.control.set_knobs({"green": {"latency_ms": 0}})
    done = await rounds.until("rollback", "finished_at")
    assert done.written_at is not None
    found["accepted"].append(_ms(state.complete_at, done.written_at))


async def _switch(rounds: Rounds) -> None:
    """Pressed again where a busy machine refused it: a reading or a health check was too old."""
    for _ in range(3):
        await rounds.press_switch()
        ended = await rounds.until("switch", "observed_100_at", "finished_at")
        if ended.observed_100_at is not None:
            return
        await asyncio.sleep(2)
    raise TimeoutError(f"the switch was not made: {ended.reason}")


def _ms(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() * 1000


async def _fired(database: Database, since: datetime) -> Operation:
    statement = (
        select(Operation)
        .where(Operation.kind == "rollback", Operation.accepted_at > since)
        .order_by(Operation.id.desc())
        .limit(1)
    )
    give_up = time.monotonic() + WITHIN_S
    while time.monotonic() < give_up:
        found = await database.read(lambda session: session.scalar(statement))
        if found is not None:
            return found
        await asyncio.sleep(0.2)
    raise TimeoutError(f"no trigger fired within {WITHIN_S:.0f} s")


# ── beside it ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Beside:
    """Prometheus and Alertmanager, and the webhook's receiver."""

    def __init__(self, prometheus_url: str) -> None:
        self.webhooks: asyncio.Queue[datetime] = Webhooks()
        self._url = prometheus_url

    async def next_webhook(self) -> tuple[datetime, datetime]:
        """When their breach was complete (active since, and the rule's `for`), and when the webhook came."""
        heard_at = await asyncio.wait_for(self.webhooks.get(), WITHIN_S)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = (await client.get(f"{self._url}/api/v1/alerts")).json()
        active = datetime.fromisoformat(_whole_micros(answer["data"]["alerts"][0]["activeAt"]))
        return active + timedelta(seconds=SUSTAINED_S), heard_at

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As much HTTP as a webhook needs."""
        heard_at = datetime.now(UTC)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
        sent = json.loads(await reader.readexactly(length))
        if sent["status"] == "firing":
            self.webhooks.put_nowait(heard_at)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


class Webhooks(asyncio.Queue[datetime]):
    def clear(self) -> None:
        while not self.empty():
            self.get_nowait()


def _whole_micros(text: str) -> str:
    """Prometheus gives nanoseconds."""
    stem, _, rest = text.rstrip("Z").partition(".")
    return f"{stem}.{(rest + '000000')[:6]}+00:00"


@contextlib.asynccontextmanager
async def _beside(installation: Installation) -> AsyncIterator[Beside]:
    folder = installation.data_dir / "beside"
    folder.mkdir()
    first = installation.ports.web + 40
    sink, manager, prometheus = first, first + 1, first + 2
    beside = Beside(f"http://127.0.0.1:{prometheus}")
    _write_settings(folder, installation.ports.green, sink, manager)
    server = await asyncio.start_server(beside.serve, "127.0.0.1", sink)
    commands = (
        (
            *("prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am"),
            *(f"--web.listen-address=127.0.0.1:{manager}", "--cluster.listen-address=", "--log.level=error"),
        ),
        (
            *("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"),
            *(f"--web.listen-address=127.0.0.1:{prometheus}", "--log.level=error"),
        ),
    )
    processes = [await asyncio.create_subprocess_exec(*command, cwd=folder) for command in commands]
    try:
        await asyncio.sleep(3)
        yield beside
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await asyncio.gather(*(process.wait() for process in processes))
        server.close()


def _write_settings(folder: Path, green: int, sink: int, manager: int) -> None:
    """Scrape and evaluate each second, group for no time, repeat to nobody."""
    limit = LIMIT_MS / 1000
    rule = {
        "alert": "ResponseTime",
        "expr": f"histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5s]))) > {limit}",
        "for": f"{SUSTAINED_S}s",
    }
    documents: dict[str, Any] = {
        "rules.yml": {"groups": [{"name": "green", "interval": "1s", "rules": [rule]}]},
        "prometheus.yml": {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]},
            "scrape_configs": [{"job_name": "green", "static_configs": [{"targets": [f"127.0.0.1:{green}"]}]}],
        },
        "alertmanager.yml": {
            "route": {"receiver": "sink", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"},
            "receivers": [
                {
                    "name": "sink",
                    "webhook_configs": [{"url": f"http://127.0.0.1:{sink}/", "send_resolved": True}],
                }
            ],
        },
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
