"""Everything that gallery.html is drawn from."""

from typing import Any

from app.overview.gallery import (
    banners,
    canary,
    decisions,
    incidents,
    metrics,
    mission,
    people,
    phases,
    scripts,
    steps,
    traffic,
    triggers,
)
from app.overview.gallery.moment import NOW, ZONE
from app.web.page import PageView, PersonView

CHIPS = ("ok", "go", "nogo", "warn", "outdated", "crit", "unknown", "wait", "run", "hold", "withdrawn", "expired")
LAMPS = ("wait", "go", "nogo", "outdated", "withdrawn", "expired")

EVENTS = (
    (
        "crit",
        "traffic",
        "Trigger",
        "Error rate on GREEN above 2 %: automatic rollback armed",
        "trigger error-rate; fires at 14:24:40",
    ),
    ("", "note", "Support", "2 customers say that payment fails", "note"),
    ("warn", "machine", "Trigger", "Memory on GREEN 81 %: warning, above 80 %", "60 of 60 samples in 1 min"),
    ("", "person", "DevOps lead", "Pressed “Switch to GREEN”", "operation 17, epoch 17"),
)


def context(theme: str = "system", direction: str = "ltr") -> dict[str, Any]:
    """`theme` and `direction` come from the query, so that each can be looked at alone."""
    page = PageView(
        person=PersonView("Dana Ortiz", "DevOps lead"),
        tabs=mission.TABS,
        current="switch",
        is_live=False,
        theme="dark" if theme == "dark" else "light" if theme == "light" else "system",
        dir="rtl" if direction == "rtl" else "ltr",
    )
    return {
        "page": page,
        "mission": mission.MISSION,
        "csrf_token": "",
        "is_asked": False,
        "now": NOW,
        "zone": ZONE,
        "chips": CHIPS,
        "lamps": LAMPS,
        "events": EVENTS,
        "guards": mission.GUARDS,
        "banners": banners.BANNERS,
        "traffic": traffic.TRAFFIC,
        "stages": traffic.STAGES,
        "axes": traffic.AXES,
        "criteria": traffic.CRITERIA,
        "proofs_of_way_back": traffic.PROOFS_OF_WAY_BACK,
        "metrics": metrics.METRICS,
        "verdict": metrics.verdict,
        "trends": metrics.TRENDS,
        "chart_points": metrics.CHART_POINTS,
        "triggers": triggers.TRIGGERS,
        "canary": {
            "steps": canary.SHARES,
            "lines": canary.GATE,
            "alerts": canary.ALERTS,
            "presses": canary.PRESSES,
        },
        "phases": phases.PHASES,
        "steps": steps.STEPS,
        "phase_marks": phases.MARKS,
        "controls": phases.CONTROLS,
        "conditions": phases.CONDITIONS,
        "scripts": scripts.SCRIPTS,
        "script_output": scripts.OUTPUT,
        "decision": decisions.DECISION,
        "points": decisions.POINTS,
        "calls": decisions.CALLS,
        "no_snapshots": decisions.NO_SNAPSHOTS,
        "incidents": incidents.INCIDENTS,
        "reports": incidents.REPORTS,
        "hands": people.HANDS,
        "files": people.FILES,
        "patches": people.PATCHES,
        "seats": people.SEATS,
        "positions": people.POSITIONS,
    }
