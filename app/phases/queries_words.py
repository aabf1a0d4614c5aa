"""The phases in sentences: their state as a mark and a word, the headline of the day and of one phase."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.canary.queries_left import after_abort, left_on_green
from app.db.tables import Deployment, PhaseRun
from app.domain.deployments import WORDS as COURSE_WORDS
from app.domain.deployments import State as Course
from app.domain.phases import BY_COURSE, OVER, Condition, State
from app.domain.plan import Phase, Plan
from app.domain.signoff_words import in_sentence, listed
from app.phases.views import Mark, PhaseLine, Span
from app.steps.queries import unsettled
from app.web.access import Scope

MARKS: Mapping[State, tuple[Mark, str]] = {
    State.PLANNED: ("wait", "Planned"),
    State.RUNNING: ("run", "RUNNING"),
    State.ON_HOLD: ("hold", "ON HOLD"),
    State.COMPLETED: ("ok", "Complete"),
    State.SKIPPED: ("withdrawn", "Skipped"),
    State.ABORTED: ("nogo", "ABORTED"),
}


def mark_of(phase: Phase, state: State) -> tuple[Mark, str]:
    """A rollback is never planned: it stands ready."""
    if phase.kind == "rollback" and state is State.PLANNED:
        return "wait", "Stands ready"
    return MARKS[state]


def lead_of(plan: Plan, phase: Phase) -> str:
    titles = [plan.position(key).title for key in phase.lead]
    return listed([titles[0], *(in_sentence(title) for title in titles[1:])]) if titles else "nobody"


def next_phase(plan: Plan, states: Mapping[str, State]) -> Phase | None:
    """The first phase of the day's order that is not over; a rollback has no place in it."""
    order = [phase for phase in plan.phases if phase.kind != "rollback"]
    return next((phase for phase in order if states[phase.key] not in OVER), None)


async def day_words(
    session: AsyncSession,
    deployment: Deployment,
    plan: Plan,
    upcoming: Phase | None,
    rows: Mapping[str, PhaseRun],
    lines: Sequence[PhaseLine],
) -> tuple[str, str]:
    """The state and the next move, the most urgent first."""
    if deployment.state == Course.ABORTED:
        left = after_abort(plan, await left_on_green(session, deployment.id, plan))
        said = deployment.hold_reason or "Nothing more is started."
        return "The deployment was aborted", f"{said.rstrip('.')}. {left}".strip() if left else said
    by_key = {line.key: line for line in lines}
    asked = next((line for line in lines if line.asked), None)
    if asked is not None and asked.asked is not None:
        text = f"“{asked.asked.reason}” Without it the phase stays, 10 min after it was asked."
        return f"{asked.asked.by} asks to skip phase {asked.number}: a second position must agree", text
    if upcoming is None:
        return "The day is over", "Every phase is complete, skipped or aborted."
    line = by_key[upcoming.key]
    state = State(rows[upcoming.key].state)
    if state is State.RUNNING:
        return await _running_words(session, deployment, upcoming, line)
    if state is State.ON_HOLD:
        where = "The go/no-go board has it." if upcoming.kind in BY_COURSE else f"{line.lead} can resume it."
        return f"Phase {upcoming.number} is on hold: {in_sentence(upcoming.title)}", f"{line.note}. {where}".lstrip(
            ". "
        )
    return _next_words(upcoming, line)


async def _running_words(
    session: AsyncSession, deployment: Deployment, phase: Phase, line: PhaseLine
) -> tuple[str, str]:
    left, failed = await unsettled(session, deployment, phase)
    over = f"It runs {line.span.over} longer than the {line.span.planned_for} planned. " if line.span.over else ""
    if failed:
        return f"Phase {phase.number}: “{failed[0]}” failed", f"{over}{line.lead} decides: again, by hand, or hold."
    if phase.kind in BY_COURSE:
        words = COURSE_WORDS[Course(deployment.state)]
        return f"Phase {phase.number} is running: {words}", f"{over}The Switch page and the wall show it."
    if left:
        more = f" {len(left)} of {len(phase.actions)} steps are open." if len(left) > 1 else ""
        return f"Phase {phase.number} is running: {in_sentence(left[0])} next", f"{over}{more}".strip()
    return f"Phase {phase.number}: every step is done, complete it", f"{over}{line.lead} completes the phase."


def _next_words(phase: Phase, line: PhaseLine) -> tuple[str, str]:
    unmet = [condition.text for condition in line.conditions if not condition.is_met]
    if phase.kind in BY_COURSE:
        text = "The sign-offs open it, and proceeding starts it."
        return f"Phase {phase.number} is next: the go/no-go board opens it", f"{'; '.join(unmet)}. {text}".lstrip(". ")
    if unmet:
        amount = "One condition is" if len(unmet) == 1 else f"{len(unmet)} conditions are"
        return f"Phase {phase.number} is next: {amount.lower()} open", f"{'; '.join(unmet)}."
    return f"Phase {phase.number} can start: {in_sentence(phase.title)}", f"{line.lead} starts it."


def phase_words(
    scope: Scope,
    deployment: Deployment,
    phase: Phase,
    state: State,
    span: Span,
    conditions: tuple[Condition, ...],
    exits: tuple[Condition, ...],
    left: Sequence[str],
) -> tuple[str, str]:
    """The h1: state and next move. `left`: the steps of a phase that runs which are not done yet."""
    name = f"Phase {phase.number}, {in_sentence(phase.title)}"
    lead = lead_of(scope.plan, phase)
    if phase.kind == "rollback":
        text = "Nobody starts it here: the rollback cover in the bar does, and this page follows."
        return f"{name}: {mark_of(phase, state)[1].lower()}", text
    if phase.kind in BY_COURSE and state in (State.PLANNED, State.RUNNING, State.ON_HOLD):
        words = COURSE_WORDS[Course(deployment.state)]
        text = "It follows the deployment: the sign-offs open it, proceeding starts it, and the switch moves traffic."
        return f"{name}: {words}", text
    unmet = [condition for condition in conditions if not condition.is_met]
    over = f"It runs {span.over} longer than the {span.planned_for} planned. " if span.over else ""
    match state:
        case State.PLANNED if unmet:
            amount = "one condition is" if len(unmet) == 1 else f"{len(unmet)} conditions are"
            return f"{name}: {amount} open before it can start", f"{lead} starts it then."
        case State.PLANNED:
            return f"{name}: it can start", f"{lead} starts it."
        case State.RUNNING if all(condition.is_met for condition in exits):
            return f"{name}: every step is done, complete it", f"{over}{lead} completes it."
        case State.RUNNING if exits[0].key == "failed":
            return f"{name}: a step failed", f"{over}{exits[0].text}. {lead} decides: again, by hand, or hold."
        case State.RUNNING if left:
            more = f"{len(left)} of {len(phase.actions)} steps are open." if len(left) > 1 else ""
            return f"Phase {phase.number} is running: {in_sentence(left[0])} next", f"{over}{more}".strip()
        case State.RUNNING:
            return f"{name}: running", f"{over}{exits[0].text}."
        case State.ON_HOLD if unmet:
            return f"{name}: on hold", f"{unmet[0].text}."
        case State.ON_HOLD:
            return f"{name}: on hold", f"{lead} resumes it, or whoever leads the day."
        case State.SKIPPED:
            return f"{name}: skipped", "Two people of two positions agreed. Nothing of it is done."
        case State.ABORTED:
            return f"{name}: aborted", "What comes after it waits until two people agree to go on without it."
        case _:
            took = f"It took {span.took}; {span.planned_for} were planned." if span.took else ""
            return f"{name}: complete", took
