"""Reads of the plan versions that this installation knows, and of what is between two of them."""

import asyncio
from collections import defaultdict
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.tables import Deployment, PlanVersion, RosterSeat
from app.domain.deployments import WORDS, State
from app.domain.plan import Plan, plan_hash
from app.domain.plan_diff import Change, diff
from app.domain.plan_problems import PlanInvalid, Problem
from app.plans.queries_phases import span
from app.plans.views_versions import (
    ChangeGroup,
    CheckView,
    DiffSide,
    DiffView,
    PreviewView,
    ProblemRow,
    UseRow,
    VersionRow,
    VersionsView,
)
from app.providers.plan_yaml import MAX_CHARACTERS
from app.web.access import NotFound, Viewer, plan_by_hash

SHOWN = 50
USES_SHOWN = 4
"""Deployments of a version that are named; more are counted."""
AROUND = 60
"""So many letters of a line are shown on each side of what is wrong in it."""


async def versions(session: AsyncSession, viewer: Viewer) -> VersionsView:
    """The newest versions, each with the deployments of it that this person may open."""
    total = await session.scalar(select(func.count()).select_from(PlanVersion)) or 0
    columns = (PlanVersion.id, PlanVersion.key, PlanVersion.hash, PlanVersion.created_at)
    title = PlanVersion.document["title"].astext.label("title")
    found = (await session.execute(select(*columns, title).order_by(PlanVersion.id.desc()).limit(SHOWN))).all()
    ids = [row.id for row in found]
    uses, mine, others = await _uses(session, viewer, ids), *await _counts(session, viewer, ids)
    rows: list[VersionRow] = []
    seen: set[str] = set()
    for index, row in enumerate(found):
        before = next((older.hash for older in found[index + 1 :] if older.key == row.key), "")
        own = tuple(uses[row.id])
        shown = (row.key, row.title, row.hash, row.created_at, own, mine[row.id] - len(own), others[row.id], before)
        rows.append(VersionRow(*shown, is_newest=row.key not in seen))
        seen.add(row.key)
    return VersionsView(tuple(rows), max(0, total - SHOWN), viewer.is_admin)


def _opens(viewer: Viewer) -> ColumnElement[bool]:
    """The deployments that a person may open: those with a seat of theirs, an administrator all."""
    seated = select(RosterSeat.deployment_id).where(RosterSeat.person_id == viewer.person_id)
    return true() if viewer.is_admin else Deployment.id.in_(seated)


async def _uses(session: AsyncSession, viewer: Viewer, ids: list[int]) -> dict[int, list[UseRow]]:
    """By version: the newest deployments of it that this person may open. There may be thousands."""
    newest_first = func.row_number().over(partition_by=Deployment.plan_version_id, order_by=Deployment.id.desc())
    columns = (Deployment.id, Deployment.plan_version_id, Deployment.mode, Deployment.state)
    found = select(*columns, newest_first.label("number"))
    numbered = found.where(Deployment.plan_version_id.in_(ids), _opens(viewer)).subquery("numbered")
    newest = select(numbered).where(numbered.c.number <= USES_SHOWN).order_by(numbered.c.id.desc())
    uses: dict[int, list[UseRow]] = defaultdict(list)
    for row in await session.execute(newest):
        title = f"{'Live' if row.mode == 'live' else 'Rehearsal'} {row.id}"
        uses[row.plan_version_id].append(UseRow(title, f"/d/{row.id}", WORDS[State(row.state)]))
    return uses


async def _counts(session: AsyncSession, viewer: Viewer, ids: list[int]) -> tuple[dict[int, int], dict[int, int]]:
    """By version: how many deployments of it this person may open, and how many others there are."""
    opens, all_of_it = func.count().filter(_opens(viewer)), func.count()
    statement = select(Deployment.plan_version_id, opens, all_of_it).where(Deployment.plan_version_id.in_(ids))
    mine: dict[int, int] = defaultdict(int)
    others: dict[int, int] = defaultdict(int)
    for version, own, whole in await session.execute(statement.group_by(Deployment.plan_version_id)):
        mine[version], others[version] = own, whole - own
    return mine, others


async def version_of(session: AsyncSession, digest: str) -> tuple[Plan, DiffSide]:
    """A stored plan and what it is called. Raises NotFound."""
    taken_up = await session.scalar(select(PlanVersion.created_at).where(PlanVersion.hash == digest))
    if taken_up is None:
        raise NotFound("There is no plan with this hash.")
    plan = await plan_by_hash(session, digest)
    return plan, DiffSide(plan.key, plan.title, digest, taken_up)


async def source_of(session: AsyncSession, digest: str) -> tuple[str, str]:
    """Key and text as its author wrote it. Raises NotFound."""
    found = select(PlanVersion.key, PlanVersion.source).where(PlanVersion.hash == digest)
    row = (await session.execute(found)).one_or_none()
    if row is None:
        raise NotFound("There is no plan with this hash.")
    return row.key, row.source


async def older_of(session: AsyncSession, digest: str, key: str) -> str:
    """The hash of the version of the same plan that came before this one; empty for the first."""
    this = select(PlanVersion.id).where(PlanVersion.hash == digest).scalar_subquery()
    statement = select(PlanVersion.hash).where(PlanVersion.key == key, PlanVersion.id < this)
    return await session.scalar(statement.order_by(PlanVersion.id.desc()).limit(1)) or ""


async def difference(session: AsyncSession, old: str, new: str) -> DiffView:
    """Raises NotFound where one of the hashes is of no version."""
    before, side_before = await version_of(session, old)
    after, side_after = await version_of(session, new)
    return await asyncio.to_thread(diff_view, before, side_before, after, side_after)


def diff_view(before: Plan, old: DiffSide, after: Plan, new: DiffSide) -> DiffView:
    """Takes its time with huge plans: in a thread of its own where others wait for this one."""
    changes = diff(before, after)
    groups = tuple(ChangeGroup(section, tuple(part)) for section, part in groupby(changes, key=_section))
    return DiffView(old, new, groups, len(changes))


def _section(change: Change) -> str:
    return change.section


async def preview(session: AsyncSession, plan: Plan, name: str, text: str) -> PreviewView:
    """A good plan that was sent in, with what it would change of the newest one of its key."""
    digest = plan_hash(plan)
    statement = select(PlanVersion.hash).where(PlanVersion.key == plan.key).order_by(PlanVersion.id.desc()).limit(1)
    newest = await session.scalar(statement)
    known = await session.scalar(select(PlanVersion.id).where(PlanVersion.hash == digest)) is not None
    compared: DiffView | None = None
    if newest is not None and newest != digest:
        before, side = await version_of(session, newest)
        new = DiffSide(plan.key, plan.title, digest)
        compared = await asyncio.to_thread(diff_view, before, side, plan, new)
    return PreviewView(name, text, digest, _facts(plan), _phases(plan), known, compared)


def _facts(plan: Plan) -> tuple[tuple[str, str], ...]:
    gate = plan.production.signoffs
    asked = [plan.position(question.position).title for question in (gate.questions if gate else ())]
    seats = sum(position.seats for position in plan.positions)
    releases = f"{plan.releases.blue.version} → {plan.releases.green.version}"
    return (
        ("Plan", plan.title),
        ("Organisation", plan.organisation),
        ("Releases", releases),
        ("Positions", f"{len(plan.positions)}, with {seats} seats"),
        ("They sign off", ", ".join(asked)),
        ("Steers", ", ".join(target.title for target in plan.targets)),
        ("Critical metrics", str(len(plan.metrics))),
        ("Rollback triggers", str(len(plan.triggers))),
        ("Times are in", plan.timezone),
    )


def _phases(plan: Plan) -> tuple[tuple[str, str], ...]:
    return tuple((f"Phase {phase.number}: {phase.title}", span(phase.duration_s)) for phase in plan.phases)


def check_view(name: str, text: str, refused: PlanInvalid) -> CheckView:
    """Each problem beside its line. A text beyond the reader's limit is not sent back."""
    # As the reader counts lines: YAML knows three line ends.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if len(text) <= MAX_CHARACTERS else []
    rows = tuple(_problem(problem, lines) for problem in refused.problems)
    return CheckView(name, rows, text if lines else "")


def _problem(problem: Problem, lines: list[str]) -> ProblemRow:
    said: dict[str, Any] = {
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
        "remedy": problem.remedy,
    }
    if problem.line > len(lines):
        return ProblemRow(**said)
    line, at = lines[problem.line - 1], problem.column - 1
    start, end = max(0, at - AROUND), at + 1 + AROUND
    return ProblemRow(
        **said,
        before=_drawn(line[start:at]),
        mark=_drawn(line[at : at + 1]) or "␤",
        after=_drawn(line[at + 1 : end]),
        is_cut_before=start > 0,
        is_cut_after=end < len(line),
    )


def _drawn(text: str) -> str:
    """Letters that no page should draw stand as their code."""
    return "".join(letter if letter.isprintable() or letter == "\t" else f"\\x{ord(letter):02x}" for letter in text)
