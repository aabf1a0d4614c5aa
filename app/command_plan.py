"""`gonogo plan …`: check a plan, compare two, play one through, print the schema for editors. Needs no database."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from app.domain.dry_run import DryRun, Happening, dry_run, gaps, planned_start
from app.domain.plan import Plan, plan_hash
from app.domain.plan_diff import diff
from app.domain.plan_problems import PlanInvalid

INVALID, DIFFERENT = 1, 1
plan = typer.Typer(no_args_is_help=True, help="Plans.")


@plan.command("check")
def check_plans(files: Annotated[list[Path], typer.Argument(help="Plans in YAML.")]) -> None:
    """Check plan files: every problem as FILE:LINE:COLUMN with its remedy. Exit code 1 if there is any."""
    from app.providers.plan_yaml import read_plan

    is_bad = False
    for file in files:
        try:
            found = read_plan(file)
        except PlanInvalid as error:
            is_bad = True
            _tell(file, error)
        else:
            phases = "1 phase" if len(found.phases) == 1 else f"{len(found.phases)} phases"
            typer.echo(f"{file}: {found.title}, {phases}, hash {plan_hash(found)[:12]}")
    raise typer.Exit(INVALID if is_bad else 0)


@plan.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a plan, for editors."""
    from app.providers.plan_yaml import plan_schema

    typer.echo(json.dumps(plan_schema(), indent=2, ensure_ascii=False))


@plan.command("diff")
def compare(before: Path, after: Path) -> None:
    """What differs between two plans, by meaning. Exit code 0: nothing; 1: something; 2: a plan is not good."""
    changes = diff(read_or_exit(before), read_or_exit(after))
    for section, part in groupby(changes, key=lambda change: change.section):
        typer.echo(section)
        for change in part:
            values = " → ".join(value for value in (change.before, change.after) if value)
            typer.echo(f"  {change.kind:8}{change.where}: {values}")
    raise typer.Exit(DIFFERENT if changes else 0)


@plan.command("dry-run")
def play(
    file: Path,
    phase: Annotated[str, typer.Option(help="Key of a phase; the one that switches production by default.")] = "",
    speed: Annotated[str, typer.Option(help="Plan seconds in a real one, or max for no waiting at all.")] = "22.5",
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Where the plan has no day.")] = None,
) -> None:
    """Play a phase on a clock: 45 minutes in 2 at the default speed. Nothing happens for real."""
    found = read_or_exit(file)
    key = phase or found.production.key
    if not any(part.key == key for part in found.phases):
        known = ", ".join(part.key for part in found.phases)
        raise typer.BadParameter(f"There is no phase {key!r}; the plan has {known}.")
    rate = _speed(speed)
    today: date = day.date() if day else datetime.now(UTC).astimezone(ZoneInfo(found.timezone)).date()
    run = dry_run(found, key, planned_start(found, key, today))
    typer.echo(f"{found.title}, phase {run.phase.number} {run.phase.title}; times in {run.zone}; speed {speed}")
    asyncio.run(_print(run, rate))
    if run.is_cut:
        typer.echo("The rest is left out.")


async def _print(run: DryRun, rate: float) -> None:
    zone = ZoneInfo(run.zone)
    async for happening in in_time(run, rate):
        moment = run.moment(happening).astimezone(zone)
        who = f"  [{happening.who}]" if happening.who else ""
        typer.echo(f"{moment:%a %H:%M:%S}  {happening.kind:9}  {happening.text}{who}")


Sleep = Callable[[float], Awaitable[object]]


async def in_time(run: DryRun, rate: float, sleep: Sleep = asyncio.sleep) -> AsyncIterator[Happening]:
    """Each line at its time on a clock that runs `rate` times as fast. What printing takes is not added up: the waits
    are counted from the beginning."""
    clock = asyncio.get_running_loop().time
    began, due = clock(), 0.0
    for wait, happening in gaps(run, rate):
        due += wait
        left = began + due - clock()
        if left > 0:
            await sleep(left)
        yield happening


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1_000_000:
        raise typer.BadParameter("The speed is a number above 0, or max.")
    return rate


def read_or_exit(file: Path) -> Plan:
    """The plan of a command; a bad one is told and ends the command with exit code 2."""
    from app.providers.plan_yaml import read_plan

    try:
        return read_plan(file)
    except PlanInvalid as error:
        _tell(file, error)
        raise typer.Exit(2) from None


def _tell(file: Path, error: PlanInvalid) -> None:
    for problem in error.problems:
        path = f" {problem.path}:" if problem.path else ""
        typer.echo(
            f"{file}:{problem.line}:{problem.column}:{path} {problem.message} {problem.remedy}".rstrip(), err=True
        )
