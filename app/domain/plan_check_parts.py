"""Releases, metrics, triggers, scripts, rights and the time zone of a plan."""

import re
from collections.abc import Iterator

from app.domain.plan import Capability, Plan, Trigger
from app.domain.plan_check_keys import actions_of, did_you_mean
from app.domain.plan_problems import Finding, Path

HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
NEEDED_CAPABILITIES: tuple[Capability, ...] = ("proceed", "hold", "arm", "switch", "rollback", "decide")


def two_releases(plan: Plan) -> Iterator[Finding]:
    """Design, 'Rulings': a plan needs two different releases, in version and in digest."""
    blue, green = plan.releases.blue, plan.releases.green
    if blue.version == green.version:
        message = f"BLUE and GREEN both have version {green.version}."
        yield Finding(("releases", "green", "version"), message, "Name the version that goes live.", ("releases",))
    if blue.digest == green.digest:
        message = "BLUE and GREEN have the same digest: they are the same release."
        yield Finding(("releases", "green", "digest"), message, "Write the digest of the new artifact.", ("releases",))


def threshold_order(plan: Plan) -> Iterator[Finding]:
    for m, metric in enumerate(plan.metrics):
        if metric.warning < metric.target:
            message = f"The warning ({metric.warning:g}) lies below the target ({metric.target:g})."
            yield Finding(("metrics", m, "warning"), message, "Order them: target, warning, critical.")
        if metric.critical < metric.warning:
            message = f"The critical limit ({metric.critical:g}) lies below the warning ({metric.warning:g})."
            yield Finding(("metrics", m, "critical"), message, "Order them: target, warning, critical.")


def trigger_fields(plan: Plan) -> Iterator[Finding]:
    """Each kind of trigger has what it needs and nothing that would be ignored."""
    for t, trigger in enumerate(plan.triggers):
        yield from _fields_of_trigger(("triggers", t), trigger)
    if plan.triggers and not any(trigger.kind == "button" for trigger in plan.triggers):
        message = "No trigger is the decision of a person."
        yield Finding(("triggers",), message, "Add one of kind `button`: the rollback guard.", ("triggers",))


_FIELDS_OF: dict[str, tuple[str, ...]] = {
    "metric": ("metric", "above", "sustained_s"),
    "probe": ("smoke_tests", "every_s", "raised_by"),
    "alert": ("categories", "raised_by"),
}


def _fields_of_trigger(path: Path, trigger: Trigger) -> Iterator[Finding]:
    given = {
        "metric": trigger.metric is not None,
        "above": trigger.above is not None,
        "sustained_s": trigger.sustained_s > 0,
        "smoke_tests": bool(trigger.smoke_tests),
        "every_s": trigger.every_s != Trigger.model_fields["every_s"].default,
        "categories": bool(trigger.categories),
        "raised_by": bool(trigger.raised_by),
    }
    needed = {"metric": ("metric", "above"), "probe": ("smoke_tests",)}.get(trigger.kind, ())
    allowed = _FIELDS_OF.get(trigger.kind, ())
    for field in needed:
        if not given[field]:
            message = f"A trigger of kind `{trigger.kind}` needs `{field}`."
            yield Finding(path, message, f"Add `{field}:`.", (*path, field))
    for field in given:
        if given[field] and field not in allowed:
            message = f"A trigger of kind `{trigger.kind}` takes no `{field}`."
            yield Finding((*path, field), message, "Remove it, or change the kind.")
    if trigger.sustained_s < 0:
        yield Finding((*path, "sustained_s"), f"{trigger.sustained_s:g} s is no duration.", "Write 0 or more.")


def one_rollback_script(plan: Plan) -> Iterator[Finding]:
    """Design, 'Rulings': the manual names two scripts for one rollback; a plan that does is refused."""
    named: tuple[str, ...] = ()
    for path, action in actions_of(plan):
        if action.kind == "script" and not action.command:
            message = f"The script `{action.key}` has no command."
            yield Finding(path, message, "Add `command:`, a list of arguments.", (*path, "command"))
        if action.kind != "rollback" or not action.command:
            continue
        if named:
            message = f"`{' '.join(action.command)}` is a second rollback script; the first is `{' '.join(named)}`."
            remedy = "Keep one: in an emergency nobody should have to choose."
            yield Finding((*path, "command"), message, remedy)
        named = named or action.command


def capabilities_covered(plan: Plan) -> Iterator[Finding]:
    """Somebody can do each thing the day needs; who is asked to decide may decide, who owns items may tick them."""
    held = {capability for position in plan.positions for capability in position.capabilities}
    decisions = any(phase.decisions for phase in plan.phases)
    for capability in NEEDED_CAPABILITIES:
        if capability not in held and (decisions or capability != "decide"):
            remedy = f"Add `{capability}` to the capabilities of a position."
            yield Finding(("positions",), f"No position has the capability `{capability}`.", remedy, ("positions",))
    for p, phase in enumerate(plan.phases):
        for d, point in enumerate(phase.decisions):
            yield from _needs_right(plan, point.position, "decide", ("phases", p, "decisions", d, "position"))
    for c, checklist in enumerate(plan.checklists):
        for i, item in enumerate(checklist.items):
            if item.check is None and checklist.kind == "shared":
                yield from _needs_right(plan, item.owner, "check", ("checklists", c, "items", i, "owner"))
    for t, trigger in enumerate(plan.triggers):
        for r, position in enumerate(trigger.raised_by):
            yield from _needs_right(plan, position, "raise_alert", ("triggers", t, "raised_by", r))


def _needs_right(plan: Plan, key: str, capability: Capability, path: Path) -> Iterator[Finding]:
    for i, position in enumerate(plan.positions):
        if position.key == key and capability not in position.capabilities:
            message = f"`{key}` is named here but lacks the capability `{capability}`."
            remedy = f"Add `{capability}` to the position, or name another."
            yield Finding(path, message, remedy, ("positions", i, "capabilities"))


def personal_checklists(plan: Plan) -> Iterator[Finding]:
    """An item of a personal checklist is everybody's; what phases wait for and votes are bound to is shared."""
    personal = {checklist.key for checklist in plan.checklists if checklist.kind == "personal"}
    for c, checklist in enumerate(plan.checklists):
        for i, item in enumerate(checklist.items):
            path: Path = ("checklists", c, "items", i)
            if checklist.kind == "personal" and (item.owner or item.evidence == "required"):
                field = "owner" if item.owner else "evidence"
                message = f"A personal checklist takes no `{field}`: everybody ticks their own."
                yield Finding((*path, field), message, "Remove it, or make the checklist `shared`.")
            if checklist.kind == "shared" and not item.owner:
                message = f"Nobody owns the item `{item.key}`."
                yield Finding(path, message, "Add `owner:`, or make the checklist `personal`.", (*path, "owner"))
    for p, phase in enumerate(plan.phases):
        if phase.checklist in personal:
            message = f"`{phase.checklist}` is personal; a phase waits for a shared checklist."
            yield Finding(("phases", p, "checklist"), message, "Name a shared one.", ("checklists",))


def release_identity(plan: Plan) -> Iterator[Finding]:
    for t, target in enumerate(plan.targets):
        identity = target.identity
        path: Path = ("targets", t, "identity")
        if (identity.header is None) == (identity.field is None):
            message = "A release says who it is in one way: a response header, or a field of a JSON answer."
            yield Finding(path, message, "Set either `header` or `field` (with `path`).", path)
        if identity.header is not None and not HEADER.fullmatch(identity.header):
            message = f"`{identity.header[:60]}` can't be the name of a header."
            yield Finding((*path, "header"), message, "Use letters, digits and `-`.")
        if not identity.path.startswith("/"):
            yield Finding((*path, "path"), f"`{identity.path[:60]}` is not a path.", "Begin with `/`.")


def known_time_zone(plan: Plan, time_zones: frozenset[str]) -> Iterator[Finding]:
    if plan.timezone not in time_zones:
        message = f"There is no time zone `{plan.timezone}`."
        remedy = did_you_mean(plan.timezone, sorted(time_zones), "use a name like America/New_York")
        yield Finding(("timezone",), message, remedy)
