"""A phase of the plan in words: its times, checklist, gate, steps and decision points."""

from app.domain.plan import Action, ChecklistItem, DecisionPoint, Phase, Plan, SignoffGate
from app.plans.views import (
    AnswerRow,
    ChecklistPart,
    DecisionPart,
    GatePart,
    ItemRow,
    MarkRow,
    PhaseView,
    QuestionRow,
    StepRow,
)

ANSWERS = {"continue": "Continue", "watch": "Watch closely", "escalate": "Escalate", "rollback": "Roll back"}
UNITS = ((86400, "day", "days"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


def phase_view(plan: Plan, phase: Phase, *, is_current: bool) -> PhaseView:
    return PhaseView(
        key=phase.key,
        number=phase.number,
        title=phase.title,
        when=" ".join(part for part in (phase.schedule.day, phase.schedule.time) if part),
        duration=span(phase.duration_s),
        lead=", ".join(plan.position(key).title for key in phase.lead),
        is_current=is_current,
        advice=phase.schedule.advice,
        checklist=_checklist(plan, phase.checklist) if phase.checklist else None,
        gate=_gate(plan, phase.signoffs) if phase.signoffs else None,
        timeline=tuple(MarkRow(_mark_time(phase, mark.at_s), mark.text) for mark in phase.timeline),
        canary=phase.canary,
        steps=tuple(_step(plan, action) for action in phase.actions),
        strip=phase.strip,
        criteria=phase.rollback.criteria if phase.rollback else (),
        criteria_within=span(phase.rollback.within_s) if phase.rollback else "",
        decisions=tuple(_decision(plan, point) for point in phase.decisions),
        after=phase.after,
    )


def span(seconds: float) -> str:
    """A planned duration in at most two units: "45 min", "7 days", "1 h 30 min", "30 s"."""
    left, parts = round(seconds), list[str]()
    for size, one, many in UNITS:
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount}\u00a0{one if amount == 1 else many}")
    return " ".join(parts[:2]) or f"{seconds:g}\u00a0s"


def _mark_time(phase: Phase, at_s: float) -> str:
    if phase.schedule.time and phase.duration_s < 86400:
        hours, minutes = (int(part) for part in phase.schedule.time.split(":"))
        total = hours * 60 + minutes + int(at_s // 60)
        return f"{total // 60 % 24:02}:{total % 60:02}"
    return f"+{span(at_s)}" if at_s else "Start"


def _checklist(plan: Plan, key: str) -> ChecklistPart:
    checklist = plan.checklist(key)
    items = tuple(ItemRow(item.text, plan.position(item.owner).title, _proof(item)) for item in checklist.items)
    return ChecklistPart(checklist.title, checklist.when, items)


def _proof(item: ChecklistItem) -> str:
    if item.check:
        return "By machine"
    return "With evidence" if item.evidence == "required" else ""


def _gate(plan: Plan, gate: SignoffGate) -> GatePart:
    rule = (
        f"Opens {span(gate.opens_before_s)} before. All must be GO, by different people; any NO-GO holds. "
        f"A vote stands for {span(gate.lifetime_s)}, unless what it was given for changes. "
        f"Waiting {span(gate.expires_after_s)} past the planned time, the gate turns into a hold."
    )
    return GatePart(tuple(QuestionRow(plan.position(q.position).title, q.text) for q in gate.questions), rule)


def _step(plan: Plan, action: Action) -> StepRow:
    return StepRow(
        title=action.title,
        position=plan.position(action.position).title if action.position else "",
        daily=action.daily,
        command=" ".join(action.command),
        success=action.success_signals,
        failure=action.failure_signals,
        on_failure=action.on_failure,
    )


def _decision(plan: Plan, point: DecisionPoint) -> DecisionPart:
    silence = (
        f"No answer: the deputy is asked after {span(point.deputy_after_s)}, the leader after another "
        f"{span(point.leader_after_s)}, and {span(point.escalate_after_s)} later everybody sees whom to call."
    )
    answers = tuple(AnswerRow(ANSWERS[answer.answer], answer.when, answer.text) for answer in point.answers)
    return DecisionPart(point.minute, point.question, plan.position(point.position).title, answers, silence)
