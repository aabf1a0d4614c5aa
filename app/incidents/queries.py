"""Reads of incidents: the open ones with where their clock stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import once
from app.db.tables import Deployment, Incident, IncidentFinding
from app.decisions.queries_words import asked_words, call_words
from app.domain.decisions import Asked, Ladder, Rung, climb, ladder_of
from app.domain.incidents import Decider, Severity, decider_of
from app.domain.plan import Plan
from app.incidents.views import Mark
from app.roster.queries import roster_of
from app.web.mission import BannerView, LinkView


@dataclass(frozen=True, slots=True)
class Standing:
    """An open incident, and whom its clock asks now."""

    row: Incident
    asked: Asked
    people: frozenset[int]
    """Who may decide on it now."""
    who: str

    @property
    def is_critical(self) -> bool:
        return self.row.severity == Severity.CRITICAL.value or self.asked.rung is Rung.EVERYBODY


async def ladder(session: AsyncSession, deployment_id: int, plan: Plan) -> tuple[Decider, Ladder]:
    decider = decider_of(plan)
    return decider, ladder_of(plan, await roster_of(session, deployment_id), decider.position, decider.patience_s)


async def open_rows(session: AsyncSession, deployment_id: int) -> Sequence[Incident]:
    statement = select(Incident).where(Incident.deployment_id == deployment_id, Incident.closed_at.is_(None))
    return list(await session.scalars(statement.order_by(Incident.id).execution_options(populate_existing=True)))


async def open_incidents(
    session: AsyncSession, deployment: Deployment, plan: Plan, now: datetime
) -> tuple[Standing, ...]:
    """The open incidents, the worst first, then the oldest. While there is none this is one small read."""

    async def query() -> tuple[Standing, ...]:
        rows = await open_rows(session, deployment.id)
        if not rows:
            return ()
        decider, steps = await ladder(session, deployment.id, plan)
        found = []
        for row in rows:
            asked = climb(steps, Rung(row.rung), row.rung_since, now)
            who = asked_words(plan, decider.position, asked.rung)
            found.append(Standing(row, asked, steps.asked(asked.rung), who))
        return tuple(sorted(found, key=lambda each: (not each.is_critical, each.row.id)))

    return await once(session, ("incidents", deployment.id), query)


async def own_check(session: AsyncSession, incident: Incident, plan: Plan, positions: frozenset[str]) -> str:
    """The first of the plan's checks that somebody on these positions has still to answer: "checks the logs"; empty
    without one."""
    mine = [number for number, check in enumerate(plan.incident_checks) if check.position in positions]
    if not mine:
        return ""
    said = select(IncidentFinding.number).where(IncidentFinding.incident_id == incident.id)
    answered = set(await session.scalars(said))
    return next((plan.incident_checks[number].text for number in mine if number not in answered), "")


def banner_of(standings: Sequence[Standing], plan: Plan, deployment_id: int) -> BannerView | None:
    """The worst open incident; `more` counts the others."""
    if not standings:
        return None
    worst = standings[0]
    row, asked = worst.row, worst.asked
    link = LinkView("See who checks what", f"/d/{deployment_id}/incidents")
    key = f"incident-{row.id}-{asked.rung.value}"
    state: Mark = "crit" if worst.is_critical else "warn"
    more = len(standings) - 1
    if asked.rung is Rung.EVERYBODY:
        by = f"Escalated by {row.escalated_by}." if row.escalated_by else "Nobody decided in time."
        return BannerView("crit", key, f"{row.title}: call {call_words(plan)}", by, link, more=more)
    text = f"{row.title} (raised by {row.raised_by})."
    title = f"INCIDENT: {worst.who} decides within"
    return BannerView(state, key, title, text, link, asked.since, asked.until, more, counts_to=asked.until)
