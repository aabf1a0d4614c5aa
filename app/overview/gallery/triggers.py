"""A trigger in each of its states."""

from dataclasses import replace
from datetime import timedelta

from app.overview.gallery.moment import NOW
from app.triggers.views import HoldView, TriggerCard

_CARD = TriggerCard(
    key="quiet",
    title="Error rate above 2 % for 2 minutes",
    limit="above 2 % for 120 s",
    mode="automatic",
    mark="ok",
    word="Armed, quiet",
    sample_at=NOW - timedelta(seconds=1.4),
)
TRIGGERS = (
    replace(_CARD, value="0.03 %", share=0.0, progress="0 s of 120 s"),
    replace(
        _CARD,
        key="breach",
        mark="crit",
        word="IN BREACH",
        value="2.6 %",
        share=46 / 120,
        progress="46 s of 120 s",
        coverage="98 % of the samples there, 80 % needed",
        fires_at=NOW + timedelta(seconds=74),
        hold=HoldView(
            "Holding stops the automatic rollback for 5 min. It takes two people of two positions.",
            action="#",
            button="Ask to hold it",
        ),
    ),
    replace(
        _CARD,
        key="asked",
        mark="crit",
        word="IN BREACH",
        value="2.6 %",
        share=0.5,
        progress="60 s of 120 s",
        fires_at=NOW + timedelta(seconds=60),
        hold=HoldView("DevOps lead asks to hold it: confirm?", action="#", button="Confirm: hold it for 5 min"),
    ),
    replace(
        _CARD,
        key="held",
        mark="hold",
        word="HELD",
        value="2.6 %",
        share=1.0,
        progress="120 s of 120 s",
        why="Held until 14:14 by DevOps lead and Project manager.",
        hold=HoldView(
            "Then it is armed again, and rolls back at once if the breach still stands.",
            release="#",
            release_button="Let it count again",
        ),
    ),
    replace(
        _CARD,
        key="unknown",
        mark="unknown",
        word="UNKNOWN",
        share=0.0,
        progress="0 s of 120 s",
        why="No sample to rely on. UNKNOWN neither fires nor counts as healthy.",
    ),
    replace(
        _CARD,
        key="recommended",
        mark="crit",
        word="RECOMMENDED",
        value="2.6 %",
        share=1.0,
        progress="120 s of 120 s",
        why="BLUE is unhealthy: it only recommends.",
    ),
    replace(
        _CARD,
        key="fired",
        mark="crit",
        word="FIRED",
        why="At 14:09:41: error rate on GREEN 2.6 %, above 2 % for 120 s.",
    ),
    replace(_CARD, key="off", mark="wait", word="Not armed", why="No switch yet."),
)
