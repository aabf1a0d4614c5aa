"""The commands of `gonogo --help`, as Typer reads them; app/cli.py is the entry."""

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from app.command_plan import plan, read_or_exit
from app.config import KEEP_ALIVE_S, Misconfigured, from_env

TARGETS = (
    "What steers the traffic: agent (the range's own), haproxy (a real one, if installed) or aws (a simulated AWS)."
)

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The command center of a deployment day.")
admin = typer.Typer(no_args_is_help=True, help="Accounts of a live installation.")
audit = typer.Typer(no_args_is_help=True, help="The event log.")
alerts = typer.Typer(no_args_is_help=True, help="Alerts from monitoring systems.")
app.add_typer(admin, name="admin")
app.add_typer(audit, name="audit")
app.add_typer(plan, name="plan")
app.add_typer(alerts, name="alerts")


@app.command()
def up(
    data: Annotated[Path | None, typer.Option(help="Data folder; .gonogo in the checkout by default.")] = None,
    port: Annotated[int, typer.Option(help="First port to try for the web page.")] = 8400,
    workers: Annotated[int, typer.Option(min=1, max=8)] = 2,
    customers: Annotated[int, typer.Option(min=0, max=1000, help="Customers' requests a second.")] = 60,
    target: Annotated[str, typer.Option(help=TARGETS)] = "agent",
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Rehearse this plan, with its releases; ALAWAEL's by default.")
    ] = None,
) -> None:
    """Start a rehearsal: PostgreSQL, the range, web and workers. Ctrl-C stops everything; the data stays."""
    from app.rehearsal.up import up as start

    plays = (read_or_exit(plan_file), plan_file.absolute()) if plan_file else None
    raise typer.Exit(start(data=data, port=port, workers=workers, customers=customers, target=target, plan=plays))


@app.command()
def serve(
    host: str = "127.0.0.1",
    port: int = 8400,
    with_worker: Annotated[
        bool, typer.Option("--with-worker", help="Start one worker beside the web process.")
    ] = False,
) -> None:
    """Serve the web pages; settings come from the environment (docs/live.md)."""
    import subprocess
    import sys

    import uvicorn

    settings = from_env()
    worker = None
    if with_worker:
        worker = subprocess.Popen([sys.executable, "-m", "app.worker"], env={**os.environ})
    try:
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            host=host,
            port=port,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=KEEP_ALIVE_S,
            access_log=False,
        )
    finally:
        if worker is not None:
            worker.terminate()
            worker.wait(timeout=10)
    typer.echo(f"stopped serving {settings.mode}")


@app.command()
def migrate() -> None:
    """Bring the database's schema to the newest revision, as its owner (GONOGO_OWNER_DATABASE_URL)."""
    from app.db.migrate import upgrade

    upgrade(from_env().owner_database_url)


@app.command("rollback-now")
def rollback_now(
    target: Annotated[str, typer.Option(help="Which target; needed where several are armed.")] = "",
    data: Annotated[Path | None, typer.Option(help="A worker's data folder; GONOGO_DATA by default.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    although_blue_is_unhealthy: Annotated[
        bool, typer.Option("--although-blue-is-unhealthy", help="Go back although BLUE does not pass its health check.")
    ] = False,
    although_expired: Annotated[
        bool, typer.Option("--although-expired", help="Use a capsule that nobody could renew for long.")
    ] = False,
    use_dns: Annotated[
        bool, typer.Option("--use-dns", help="Ask for addresses anew instead of the pinned ones.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; the log will say it.")] = "",
) -> None:
    """Break-glass, on a worker's machine: all traffic back to BLUE without database, web page, sign-in or DNS."""
    from app.rollback_now import Wish, to_the_end

    to_the_end(Wish(data, target, yes, although_blue_is_unhealthy, although_expired, use_dns, reason))


@app.command()
def drill(
    fault: Annotated[str, typer.Option(help="green-slow, green-dead, worker-kill …: README.md.")] = "",
    data: Annotated[Path | None, typer.Option(help="Data folder; a temporary one by default.")] = None,
    customers: Annotated[int, typer.Option(min=1, max=1000)] = 60,
    target: Annotated[str, typer.Option(help=TARGETS)] = "agent",
    phases: Annotated[
        str, typer.Option(help="production, or all: the whole day, seven days in minutes.")
    ] = "production",
    speed: Annotated[
        str, typer.Option(help="Of the plan's clock, with --phases all: max, or 60: a minute of the plan in a second.")
    ] = "max",
    plan_file: Annotated[Path | None, typer.Option("--plan", help="Drill this plan; ALAWAEL's by default.")] = None,
) -> None:
    """Rehearse unattended in a range of its own; the last line printed is one JSON object."""
    from app.drill import run_drill

    raise typer.Exit(
        run_drill(
            fault=fault,
            data=data,
            customers=customers,
            target=target,
            phases=phases,
            speed=speed,
            plan=(read_or_exit(plan_file), plan_file.absolute()) if plan_file else None,
        )
    )


@app.command()
def deploy(
    plan_file: Path,
    roster: Annotated[Path, typer.Option(help="YAML: position → list of sign-in names.")],
    start: Annotated[datetime, typer.Option(help="Planned start, local time of the plan's zone.")],
) -> None:
    """Create a live deployment of a plan with its roster."""
    from app.seed import deploy_live

    text = plan_file.read_text(encoding="utf-8")
    created = asyncio.run(deploy_live(from_env(), text, plan_file.name, roster.read_text(encoding="utf-8"), start))
    typer.echo(f"Deployment {created} is open: /d/{created}")


@admin.command("create")
def create_admin(login: str, name: str) -> None:
    """Create the first administrator of a live installation; asks for a password."""
    from app.accounts.commands_people import create_first_admin
    from app.db.engine import Database, make_engine

    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)

    async def run() -> None:
        database = Database(make_engine(from_env().database_url))
        try:
            await create_first_admin(database, login, name, password)
        finally:
            await database.aclose()

    asyncio.run(run())
    typer.echo(f"{name} can sign in as {login}.")


@audit.command("verify")
def verify_log() -> None:
    """Verify every hash chain of the log; names the first bad row."""
    from sqlalchemy import select

    from app.db.engine import Database, make_engine
    from app.db.tables import EventChain
    from app.eventlog.log import verify_chain

    async def run() -> int:
        database = Database(make_engine(from_env().database_url))
        bad = 0
        async with database.session() as session:
            for chain, length in await session.execute(select(EventChain.chain, EventChain.seq)):
                first_bad = await verify_chain(session, chain)
                typer.echo(
                    f"chain {chain}: {f'first bad row {first_bad}' if first_bad else f'verified, {length} lines'}"
                )
                bad += first_bad is not None
        await database.aclose()
        return bad

    raise typer.Exit(1 if asyncio.run(run()) else 0)


@alerts.command("forward")
def forward_alerts(
    to: Annotated[str, typer.Option(help="The hook: https://…/api/v1/alerts/alertmanager/<name>")],
    secret_file: Annotated[Path, typer.Option(help="The hook's secret.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 9095,
) -> None:
    """Listen on this machine for a monitoring system that cannot sign, and pass on what it sends, signed."""
    import uvicorn

    from app.providers.alert_forwarder import forwarder

    uvicorn.run(forwarder(to, secret_file), host="127.0.0.1", port=port, log_level="warning")


def main() -> None:
    try:
        app()
    except Misconfigured as error:
        typer.echo(str(error), err=True)
        raise SystemExit(2) from None
