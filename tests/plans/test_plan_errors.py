"""Every class of error in a plan names line, column, path, what is wrong and the remedy."""

import pytest

from tests.plans.breaking import MINIMAL, broken, marked, problems_of

# what stands in the plan, what is written instead (« marks the place to be named), path, message, remedy
FIELD_ERRORS = {
    "unknown field": ("title: Web", "«titel: Web", "targets[0].titel", "is not a field here", "Did you mean `title`?"),
    "missing field": ("  - key: web\n    title: Web", "  - «key: web", "targets[0].title", "is missing", "`title: …`"),
    "missing in the plan": ("organisation: Shop\n", "", "organisation", "is missing", "`organisation: …`"),
    "missing list": ("duration_s: 600\n    lead: [lead]", "duration_s: 600", "phases[1].lead", "is missing", "a list"),
    "number for text": ('number: "2"', "number: «2", "phases[1].number", "read as 2", "in quotes"),
    "empty text": ("title: Trial", "«title:", "phases[1].title", "is empty", "Write it"),
    "text for number": (
        "duration_s: 600",
        "duration_s: «ten minutes",
        "phases[1].duration_s",
        "needs a number",
        "unit",
    ),
    "half a percent": ("percent: 10,", "percent: «10.5,", "phases[1].canary[0].percent", "a whole number", "digits"),
    "text for list": ("lead: [lead]", "lead: «lead", "phases[1].lead", "needs a list", "`- `"),
    "list for mapping": (
        "  blue: {version",
        "  blue: «[1]\n  b: {version",
        "releases.blue",
        "needs a mapping",
        "key: value",
    ),
    "unknown word": ("kind: canary", "kind: «canari", "phases[1].kind", "is `canari`", "Did you mean `canary`?"),
    "unknown capability": ("[arm, switch,", "[arm, «swich,", "positions[1].capabilities[1]", "`swich`", "`switch`"),
    "key's form": ("- key: web", "- key: «Web site", "targets[0].key", "is `Web site`", "small letters"),
    "digest's form": ('"sha256:111', '«"sha256:z11', "releases.blue.digest", "sha256:z11", "64 hex digits"),
    "path's form": ("path: /}", "path: «home}", "targets[0].smoke_tests[0].path", "is `home`", "Begin with `/`"),
    "too long": ("short: Pilot", "short: «Pilot in command", "positions[1].short", "16 characters", "Shorten it to 12"),
    "empty": ("short: Pilot", 'short: «""', "positions[1].short", "is empty", "Write it"),
    "too small": ("dwell_s: 60}", "dwell_s: «0}", "phases[1].canary[0].dwell_s", "is 0", "more than 0"),
    "too large": ("percent: 100", "percent: «101", "phases[1].canary[1].percent", "is 101", "at most 100"),
    "true for text": ("title: Trial", "title: «true", "phases[1].title", "read as true", "quotes"),
    "infinite": ("above: 900", "above: «9e999", "triggers[0].above", "too large", "smaller"),
}

YAML_ERRORS = {
    "duplicate key": ("title: Web", "title: Web\n    «title: Net", "targets[0].title", "a second time", "Remove one"),
    "tag": ("title: Trial", "title: «!!str Trial", "phases[1].title", "is a tag", "Remove it"),
    "python tag": ("title: Trial", "title: «!!python/object:os.system x", "phases[1].title", "is a tag", "Remove it"),
    "anchor": ("title: Trial", "title: «&t Trial", "phases[1].title", "is an anchor", "Remove it"),
    "number as key": ("title: Trial", "title: Trial\n    «7: x", "phases[1]", "is not text", "quotes"),
    "list as key": ("title: Trial", "title: Trial\n    ? «[a]\n    : x", "phases[1]", "is not text", "Use a name"),
    "merge key": ("title: Trial", "title: Trial\n    «<<: x", "phases[1].<<", "not a field", "Remove it"),
    "second document": ("bash, prepare.sh]}\n", "bash, prepare.sh]}\n«---\na: 1\n", "", "second document", "one plan"),
}

SENSE_ERRORS = {
    "position twice": ("- key: pilot", "- key: «lead", "positions[1].key", "entry 1 already", "one of its own"),
    "phase number twice": ('number: "2"', 'number: «"1"', "phases[1].number", "number of entry 1", "one of its own"),
    "question twice": ("key: healthy,", "key: «ready,", "phases[0].signoffs.questions[1].key", "entry 1", "its own"),
    "action twice": ("key: prepare,", "key: «back,", "phases[1].actions[0].key", "another action", "its own"),
    "no such position": (
        "{key: healthy, position: pilot",
        "{key: healthy, position: «pilott",
        "phases[0].signoffs.questions[1].position",
        "no position `pilott`",
        "Did you mean `pilot`?",
    ),
    "no such owner": (
        "owner: lead",
        "owner: «boss",
        "checklists[0].items[0].owner",
        "no position `boss`",
        "Declare it",
    ),
    "no such leader": ("lead: [lead]", "lead: [«leed]", "phases[1].lead[0]", "no position `leed`", "`lead`?"),
    "no such checklist": ("checklist: before", "checklist: «befor", "phases[0].checklist", "no checklist", "`before`?"),
    "no such target": ("target: web", "target: «net", "phases[0].target", "no target `net`", "under `targets`"),
    "no such metric": ("metric: latency", "metric: «latencey", "triggers[0].metric", "no metric", "`latency`?"),
    "criterion without its metric": (
        "{check: error_rate, title: Few errors?, metric: latency,",
        "«{check: error_rate, title: Few errors?,",
        "phases[0].rollback.criteria[1]",
        "no metric `error_rate`, which `error_rate` reads",
        "Name one of the plan's",
    ),
    "criterion of no such metric": (
        "title: Few errors?, metric: latency",
        "title: Few errors?, metric: «latencey",
        "phases[0].rollback.criteria[1].metric",
        "no metric `latencey`",
        "`latency`?",
    ),
    "metric of a line that reads none": (
        "title: GREEN healthy}",
        "title: GREEN healthy, metric: «latency}",
        "phases[0].strip[0].checks[0].metric",
        "reads no metric",
        "Remove",
    ),
    "a switch in no switching phase": (
        "    kind: canary\n",
        "    kind: canary\n    switch_at_s: «60\n",
        "phases[1].switch_at_s",
        "does not switch",
        "Remove",
    ),
    "a switch after the end": (
        "    kind: blue_green\n",
        "    kind: blue_green\n    switch_at_s: «9999999\n",
        "phases[0].switch_at_s",
        "beyond the phase",
        "switch earlier",
    ),
    "no time of day": (
        "title: Prepare, kind: script",
        "title: Prepare, daily: «8 o'clock, kind: script",
        "phases[1].actions[0].daily",
        "is not a time of day",
        "24 hours",
    ),
    "no such smoke test": (
        "smoke_tests: [home]",
        "smoke_tests: [«hom]",
        "triggers[1].smoke_tests[0]",
        "`hom`",
        "`home`?",
    ),
    "same version": ('version: "2"', 'version: «"1"', "releases.green.version", "both have version 1", "goes live"),
    "same digest": ('"sha256:' + "2" * 64, '«"sha256:' + "1" * 64, "releases.green.digest", "same digest", "artifact"),
    "answers twice": (
        "{key: healthy, position: pilot",
        "{key: healthy, position: «lead",
        "phases[0].signoffs.questions[1].position",
        "answers `ready` already",
        "one question",
    ),
    "no switch phase": ("kind: blue_green", "kind: steps", "phases", "No phase switches", "blue_green"),
    "two switch phases": (
        "kind: canary",
        "kind: «blue_green",
        "phases[1].kind",
        "`live` switches production",
        "Keep one",
    ),
    "switch without target": ("    target: web\n", "", "phases[0]", "no `target`", "Add `target:`"),
    "canary without steps": (
        "    canary:\n      - {percent: 10, dwell_s: 60}\n      - {percent: 100, dwell_s: 60}\n",
        "",
        "phases[1]",
        "without steps",
        "Add `canary:`",
    ),
    "warning below target": ("warning: 300", "warning: «100", "metrics[0].warning", "below the target (200)", "Order"),
    "critical below warning": ("critical: 500", "critical: «250", "metrics[0].critical", "below the warning", "Order"),
    "metric without limit": (", above: 900", "", "triggers[0]", "needs `above`", "Add `above:`"),
    "limit without metric": ("kind: button}", "kind: button, above: «1}", "triggers[2].above", "no `above`", "Remove"),
    "probe without tests": (", smoke_tests: [home]}", "}", "triggers[1]", "needs `smoke_tests`", "Add"),
    "categories of a probe": (
        "smoke_tests: [home]}",
        "smoke_tests: [home], categories: «[x]}",
        "triggers[1].categories",
        "no `categories`",
        "Remove",
    ),
    "raised by nobody": (
        "smoke_tests: [home]}",
        "smoke_tests: [home], raised_by: [«captain]}",
        "triggers[1].raised_by[0]",
        "There is no position `captain`",
        "under `positions`",
    ),
    "raised without the right": (
        "smoke_tests: [home]}",
        "smoke_tests: [home], raised_by: [«lead]}",
        "triggers[1].raised_by[0]",
        "lacks the capability `raise_alert`",
        "Add `raise_alert`",
    ),
    "no button": ("kind: button", "kind: alert", "triggers", "decision of a person", "button"),
    "two rollback scripts": (
        "title: Prepare, kind: script, command: [bash, prepare.sh]",
        "title: Prepare, kind: rollback, command: «[bash, other.sh]",
        "phases[1].actions[0].command",
        "`bash other.sh` is a second rollback script; the first is `bash back.sh`",
        "Keep one",
    ),
    "script without command": (
        ", kind: script, command: [bash, prepare.sh]",
        ", kind: script",
        "phases[1].actions[0]",
        "no command",
        "Add `command:`",
    ),
    "shrinking canary": (
        "{percent: 10, dwell_s: 60}\n      - {percent: 100",
        "{percent: 100, dwell_s: 60}\n      - {percent: «100",
        "phases[1].canary[1].percent",
        "not more than the 100 %",
        "grow",
    ),
    "canary short of 100": ("percent: 100", "percent: «90", "phases[1].canary[1].percent", "ends at 90 %", "be 100"),
    "decision order": ("minute: 10", "minute: «5", "phases[0].decisions[1].minute", "after minute 5", "Order"),
    "mark order": (
        "at_s: 0, text",
        "at_s: 700, text",
        "phases[0].timeline[1].at_s",
        "600 s stands after 700 s",
        "Order",
    ),
    "mark beyond": ("at_s: 600", "at_s: «6000", "phases[0].timeline[1].at_s", "beyond the phase's 1200 s", "Lengthen"),
    "answer-less decision": (
        "answers:\n          - {answer: rollback, when: Not well?, text: Roll back}",
        "answers: «[]",
        "phases[0].decisions[1].answers",
        "Minute 10 offers no answer",
        "continue, watch",
    ),
    "strip order": ("at_s: -5", "at_s: 5", "phases[0].strip[1].at_s", "T+0 s stands after T+5 s", "Order"),
    "strip line twice": (
        "check: weights_written",
        "check: «green_healthy",
        "phases[0].strip[1].checks[0].check",
        "by a line before",
        "one line",
    ),
    "criterion without limit": (", below: 0.1", "", "phases[0].rollback.criteria[1]", "has no limit", "`below:`"),
    "criterion with limit": (
        "title: On BLUE?",
        "title: On BLUE?, below: «1",
        "phases[0].rollback.criteria[0].below",
        "yes or no",
        "Remove",
    ),
    "nobody switches": (
        "[arm, switch, rollback,",
        "[arm, rollback,",
        "positions",
        "capability `switch`",
        "Add `switch`",
    ),
    "nobody rolls back": ("switch, rollback,", "switch,", "positions", "capability `rollback`", "Add `rollback`"),
    "nobody proceeds": ("[proceed, hold,", "[hold,", "positions", "capability `proceed`", "Add `proceed`"),
    "may not tick": ("hold, check,", "hold,", "checklists[0].items[0].owner", "lacks the capability `check`", "Add"),
    "no identity": ("header: X-Release", "path: /", "targets[0].identity", "in one way", "`header` or `field`"),
    "header's form": (
        "header: X-Release",
        "header: «X Release",
        "targets[0].identity.header",
        "name of a header",
        "Use",
    ),
    "time zone": ("Europe/Lisbon", "«Europe/Lisbonn", "timezone", "no time zone `Europe/Lisbonn`", "`Europe/Lisbon`?"),
    "date": ("2026-02-27", "«2026-02-30", "phases[0].schedule.day", "not a date", "2026-02-27"),
    "time of day": ("time: 14:00", "time: «2 PM", "phases[0].schedule.time", "not a time of day", "14:00"),
}

CASES = FIELD_ERRORS | YAML_ERRORS | SENSE_ERRORS


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_error_names_place_cause_and_remedy(case: tuple[str, str, str, str, str]) -> None:
    old, new, path, message, remedy = case
    text, places = marked(broken(old, new))
    problems = problems_of(text)
    told = next((problem for problem in problems if problem.path == path and message in problem.message), None)
    assert told is not None, [str(problem) for problem in problems]
    assert remedy in told.remedy
    if places:
        assert (told.line, told.column) == places[0]
    else:
        assert 1 <= told.line <= text.count("\n")


ALONE = set(CASES) - {
    "list for mapping",  # its `b:` is a second error on purpose
    "no switch phase",
    "two switch phases",  # a canary has neither strip nor rollback
    "position twice",  # then nobody is pilot
    "nobody switches",
    "merge key",
    "probe without tests",
}


@pytest.mark.parametrize("name", sorted(ALONE))
def test_one_mistake_is_told_once_and_has_no_echo(name: str) -> None:
    text, _ = marked(broken(CASES[name][0], CASES[name][1]))
    assert len(problems_of(text)) == 1


def test_the_minimal_plan_itself_is_good() -> None:
    from app.providers.plan_yaml import load_plan

    assert load_plan(MINIMAL, "shop.yaml").title == "Shop"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "not a mapping"),
        ("just text\n", "not a mapping"),
        ("«*a", "is an alias"),
        ("key: a\n«\tb: c\n", "A tab stands"),
        ("key: a: «b", "breaks off"),
        ("key: [a, b\ntitle: x", "breaks off"),
        ('key: "never closed\n', "breaks off"),
        ("key: a\u0007b", "U+0007"),
    ],
)
def test_text_that_is_no_plan(text: str, message: str) -> None:
    text, places = marked(text)
    problem = problems_of(text)[0]
    assert message in problem.message
    assert problem.remedy
    if places and "breaks off" not in message:
        assert (problem.line, problem.column) == places[0]


def test_all_problems_of_a_file_are_told_at_once_in_order() -> None:
    """Syntax-level refusals, schema errors and errors of sense together, each at its place."""
    text = broken("organisation: Shop", "organisation: «!!str Shop")
    text = broken("short: Pilot", "«shrot: Pilot", text)
    text = broken("warning: 300", "warning: «100", text)
    text = broken("owner: lead", "owner: «boss", text)
    text = broken("checklist: before", "checklist: before\n    «checklist: after", text)
    text = broken("minute: 10", "minute: «4", text)
    text = broken("percent: 100", "percent: «ten", text)
    text, places = marked(text)
    problems = problems_of(text)
    told = [(problem.line, problem.column) for problem in problems]
    assert told == sorted(told)
    assert told == places


def test_a_broken_entry_makes_no_phantom_references() -> None:
    """The broken position is left out of the cross-checks, but it is not called unknown where it is named."""
    text = broken("short: Pilot", "short: a much too long name", MINIMAL)
    assert [problem.path for problem in problems_of(text)] == ["positions[1].short"]


def test_numbers_of_entries_stay_those_of_the_text() -> None:
    """A broken first question is left out while the second is checked, which keeps its number."""
    text = broken("text: Ready?", "txt: Ready?")
    text = broken("{key: healthy, position: pilot", "{key: healthy, position: nobody", text)
    paths = {problem.path for problem in problems_of(text)}
    assert "phases[0].signoffs.questions[1].position" in paths


def test_message_of_the_exception_lists_everything() -> None:
    text = broken("warning: 300", "warning: 100")
    from app.domain.plan_problems import PlanInvalid
    from app.providers.plan_yaml import load_plan

    with pytest.raises(PlanInvalid, match=r"shop\.yaml: 1 problem\.\n  line 25, column \d+, metrics\[0\]\.warning: "):
        load_plan(text, "shop.yaml")
