"""The briefing in words: the decision to go, and whether customers' experience is fine. Pure."""

from collections.abc import Mapping

from app.domain.deployments import State
from app.domain.metrics import Verdict
from app.domain.plan import Plan
from app.domain.sides import Side
from app.domain.signoff_words import number_word
from app.domain.signoffs import Gate, VoteLine, VoteState
from app.metrics.views import Readings
from app.overview.views import CustomersPanel
from app.overview.views_brief import BriefLine, BriefMark
from app.web.figures import SPACE, quantity, thousands, within

_VOTES: Mapping[VoteState, tuple[BriefMark, str]] = {
    VoteState.WAITING: ("wait", "has not answered yet"),
    VoteState.GO: ("ok", "says go"),
    VoteState.NO_GO: ("crit", "says no"),
    VoteState.OUTDATED: ("warn", "has to answer again: something changed since"),
    VoteState.EXPIRED: ("warn", "has to answer again: the answer was given long ago"),
}
_MEASURES: Mapping[Verdict, tuple[BriefMark, str]] = {
    Verdict.OK: ("ok", "normal"),
    Verdict.IDLE: ("wait", "nobody uses it"),
    Verdict.WARNING: ("warn", "higher than it should be"),
    Verdict.CRITICAL: ("crit", "far too high"),
    Verdict.UNKNOWN: ("unknown", "not known now"),
}


def vote_line(plan: Plan, line: VoteLine) -> BriefLine:
    mark, word = _VOTES[line.state]
    title = plan.position(line.question.position).title
    comment = line.vote.comment if line.vote is not None else ""
    return BriefLine(mark, f"{title} {word}", f"“{comment}”" if comment else "")


def verdict_of(gate: Gate, state: State) -> str:
    if not gate.lines:
        return "This plan asks nobody for a yes before the change."
    total, go = len(gate.lines), sum(line.state is VoteState.GO for line in gate.lines)
    no = sum(line.state is VoteState.NO_GO for line in gate.lines)
    if go == total:
        return f"All {number_word(total)} said go."
    if no:
        return f"{number_word(no).capitalize()} of {number_word(total)} said no: nothing goes on until it is mended."
    if state in (State.PREPARING, State.ON_HOLD):
        return f"{go} of {total} said go so far; all must."
    return f"{go} of {total} said go."


# ── customers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def measures_of(plan: Plan, readings: Readings, side: Side) -> tuple[BriefLine, ...]:
    """Each metric of the plan on the side that customers are on, in words."""
    found = []
    for metric in plan.metrics:
        reading = readings[metric.key, side]
        mark, word = _MEASURES[reading.verdict]
        value = quantity(reading.figure, metric.unit) if reading.figure is not None else ""
        found.append(BriefLine(mark, metric.title, f"{value}, {word}" if value else word))
    return tuple(found)


def experience_of(panel: CustomersPanel, measures: tuple[BriefLine, ...], reports: int) -> BriefLine:
    """Whether customers' experience is fine, the worst of what is known. Nothing known is not fine."""
    crit = [each.text for each in measures if each.mark == "crit"]
    warn = [each.text for each in measures if each.mark == "warn"]
    if crit:
        return BriefLine("crit", "Customers feel trouble", f"{_some(crit)}: far too high.")
    if panel.recent_failed:
        note = f"{thousands(panel.recent_failed)} of {thousands(panel.recent_requests)} requests failed in 5{SPACE}min."
        return BriefLine("warn", "Some customers meet errors", note)
    if panel.probes and panel.probes_failed:
        some = f"{thousands(panel.probes_failed)} of {thousands(panel.probes)}"
        note = f"{some} test requests went unanswered in 5{SPACE}min."
        return BriefLine("warn", "Some customers may meet errors", note)
    if reports:
        what = "report of customers waits" if reports == 1 else "reports of customers wait"
        return BriefLine("warn", "Customers report trouble", f"{reports} {what} for an answer.")
    if warn:
        return BriefLine("warn", "Customers may feel it", f"{_some(warn)}: higher than it should be.")
    if not panel.probes or any(each.mark == "unknown" for each in measures):
        return BriefLine("unknown", "Not known now", "Not everything that tells it is measured at this moment.")
    return BriefLine(
        "ok", "Customers notice nothing", "No request failed in the last 5 min, and all measures are normal."
    )


def _some(titles: list[str]) -> str:
    more = f" and {len(titles) - 2} more" if len(titles) > 2 else ""
    return ", ".join([titles[0], *(within(title) for title in titles[1:2])]) + more


def customers_rows(panel: CustomersPanel, reports: int, told: int) -> tuple[tuple[str, str], ...]:
    rows: list[tuple[str, str]] = []
    if panel.requests is not None:
        failed, of = (panel.since_failed, panel.since_requests) if panel.since_word else (panel.failed, panel.requests)
        rows.append((f"Requests that failed {panel.since_word}".strip(), f"{thousands(failed)} of {thousands(of)}"))
    rows.append(("Reports of customers", f"{thousands(told)} taken in, {thousands(reports)} wait for an answer"))
    return tuple(rows)
