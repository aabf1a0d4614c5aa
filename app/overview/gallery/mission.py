"""The frame of a page: tabs, mission bar, guard."""

from dataclasses import replace
from datetime import timedelta

from app.overview.gallery.moment import NOW, ZONE
from app.web.mission import FreezeLine, GuardView, HealthView, MissionView, TrafficView
from app.web.page import TabView

TABS = (
    TabView("home", "Home", "#home", "home", in_dock=True),
    TabView("board", "Go/no-go", "#board", "board", in_dock=True),
    TabView("switch", "Switch", "#switch", "switch"),
    TabView("wall", "Wall", "#wall", "wall", in_dock=True),
    TabView("timeline", "Timeline", "#timeline", "list", in_dock=True),
    TabView("checklists", "Checklists", "#checklists", "list", count=2),
    TabView("plan", "Plan", "#plan", "plan"),
)

_READY = GuardView(
    "ready",
    note="last drill 0.94 s",
    proof_age_s=4.0,
    action_url="#",
    from_version="1.0.0",
    to_version="0.9.4",
    takes="about 1 s (last drill 0.9 s)",
    blue_health="healthy, 18 of 18 targets, 4 s ago",
    not_undone=("schema step 41", "3 payment callbacks"),
)
GUARDS = {
    "unarmed": GuardView("unarmed", "Rollback not armed", "arms with the switch"),
    "ready": _READY,
    "hot": replace(_READY, state="hot", fires_at=NOW + timedelta(seconds=74)),
    "not_ready": replace(
        _READY,
        state="not_ready",
        note="not ready: BLUE unhealthy, 3 of 18 targets",
        proof_age_s=None,
        blue_health="unhealthy, 3 of 18 targets, 2 s ago",
        blue_is_healthy=False,
        button="Roll back although BLUE is unhealthy",
    ),
    "sent": GuardView("sent", "Rollback running", "pressed 14:23:31"),
    "done": GuardView("done", "On BLUE", "rolled back 14:23:32"),
}

MISSION = MissionView(
    mode="live",
    deployment_id=1,
    title="ALAWAEL",
    blue_version="0.9.4",
    green_version="1.0.0",
    phase_label="Phase 4 of 6",
    phase_state="Production: switch",
    zone=ZONE,
    zone_label="ET",
    server_time=NOW,
    t_zero=NOW - timedelta(seconds=7),
    traffic=TrafficView(0, 100, 0.3, 0, 100),
    health=HealthView("ok", "Normal"),
    guard=_READY,
    versions={"deployment": 3, "traffic": 8, "metrics": 40},
    hand="Dana Ortiz",
    freeze=FreezeLine(NOW - timedelta(hours=2), NOW + timedelta(hours=4), "deployment day", patches=1),
)
