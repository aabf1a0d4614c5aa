"""Does a plan make sense as a whole? Cross-checks of what the schema can't say field by field.

Pure: a plan in, findings out, each with a path into the plan, what is wrong and the remedy. All are reported.
"""

from collections.abc import Callable, Iterator

from app.domain import plan_check_keys as keys
from app.domain import plan_check_parts as parts
from app.domain import plan_check_phases as phases
from app.domain.plan import Plan
from app.domain.plan_problems import Finding

CHECKS: tuple[Callable[[Plan], Iterator[Finding]], ...] = (
    keys.unique_keys,
    keys.references,
    parts.two_releases,
    parts.threshold_order,
    parts.trigger_fields,
    parts.one_rollback_script,
    parts.capabilities_covered,
    parts.personal_checklists,
    parts.release_identity,
    phases.one_switch_phase,
    phases.switch_phases,
    phases.questions_of_distinct_positions,
    phases.strip_in_order,
    phases.rollback_criteria,
    phases.measured_lines,
    phases.growing_canary,
    phases.shares_can_be_told,
    phases.canary_gates,
    phases.rising_times,
    phases.decision_answers,
    phases.dates_and_times,
    phases.switch_moment,
)


def check_plan(plan: Plan, time_zones: frozenset[str]) -> Iterator[Finding]:
    """All findings; none means that the plan can be used. `time_zones` are the names this machine knows."""
    yield from parts.known_time_zone(plan, time_zones)
    for check in CHECKS:
        yield from check(plan)
