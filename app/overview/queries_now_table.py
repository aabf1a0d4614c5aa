"""The table of state × role: what somebody does when nothing more urgent is theirs to do.

Words in braces are filled by queries_now_words.Words. The duties are the manual's ("TEAM ROLES & RESPONSIBILITIES",
"Team Positions", "Post-Phase 4 Actions").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from app.domain.deployments import State
from app.overview.views import Goal
from app.overview.views_brief import Tone


class Role(Enum):
    LEAD = "leads the day"
    DRIVER = "arms, switches, rolls back"
    WATCHER = "votes, checks, watches"
    COMMS = "tells people"
    READER = "reads along"


@dataclass(frozen=True, slots=True)
class Line:
    """`advice` are sentences of which those that are filled with nothing vanish."""

    headline: str
    advice: tuple[str, ...]
    move: str = ""
    goal: Goal | None = None
    tone: Tone = "calm"


_OPEN = "{opening}: {tally}"
_ARMS_NEXT = "Proceeded: {arms} arms next"

TABLE: Mapping[State, Mapping[Role, Line]] = {
    State.PREPARING: {
        Role.LEAD: Line(_OPEN, ("{gate}", "{proof}", "{absent}"), "See the gate", "gate"),
        Role.DRIVER: Line(
            _OPEN,
            ("You arm after {leads} has proceeded; the switch is planned for {planned}.", "{proof}"),
            "Look at the Switch page",
            "switch",
        ),
        Role.WATCHER: Line(
            _OPEN,
            ("Nothing of yours is open.", "Have the metrics in sight for the switch, planned for {planned}."),
            "Look at the wall",
            "wall",
        ),
        Role.COMMS: Line(
            _OPEN,
            ("Have the updates ready: the switch is planned for {planned}.", "Note in the timeline what people ask."),
            "Open the timeline",
            "timeline",
        ),
        Role.READER: Line(_OPEN, ("Nothing to press. The switch is planned for {planned}.",), "See the votes", "gate"),
    },
    State.PROCEEDED: {
        Role.LEAD: Line(
            _ARMS_NEXT,
            ("No traffic moves by arming. You can still hold.", "{absent}"),
            "See the gate",
            "gate",
        ),
        Role.DRIVER: Line(_ARMS_NEXT, ("You switch once it is armed.", "{proof}"), "Look at the Switch page", "switch"),
        Role.WATCHER: Line(
            _ARMS_NEXT,
            ("Take your place: traffic moves soon after.", "Nothing of yours is open."),
            "Look at the wall",
            "wall",
        ),
        Role.COMMS: Line(
            "Proceeded: tell everybody that the switch is near",
            ("{arms} arms next; it is planned for {planned}.",),
            "Open the timeline",
            "timeline",
        ),
        Role.READER: Line(_ARMS_NEXT, ("Nothing to press.", "Traffic moves soon after."), "See the gate", "gate"),
    },
    State.ARMED: {
        Role.LEAD: Line(
            "Armed: {switches} can switch to GREEN",
            ("See that everybody is at their place.", "{absent}", "You can still hold."),
            "Open the Switch page",
            "switch",
        ),
        Role.DRIVER: Line(
            "Armed: switch to GREEN when all are ready",
            ("GREEN is checked once more before anything is written; rollback opens with the switch.", "{absent}"),
            "Go to the switch",
            "switch",
        ),
        Role.WATCHER: Line(
            "Armed: the switch to GREEN can come at any second",
            ("Watch GREEN's metrics from the first second; say at once what looks wrong.",),
            "Look at the wall",
            "wall",
        ),
        Role.COMMS: Line(
            "Armed: be ready to announce the switch",
            ("{switches} can switch now.", "Note the time when traffic moves."),
            "Open the timeline",
            "timeline",
        ),
        Role.READER: Line(
            "Armed: the switch to GREEN can come at any second",
            ("Nothing to press. The bar above shows the traffic move.",),
            "Look at the wall",
            "wall",
        ),
    },
    State.SWITCHING: {
        Role.LEAD: Line(
            "Switching to GREEN: watch, and roll back if it looks wrong",
            ("{progress}", "The rollback cover is in the bar."),
            "Follow the switch",
            "switch",
        ),
        Role.DRIVER: Line(
            "Switching to GREEN: follow each line, be ready to roll back",
            ("{progress}", "The rollback cover is in the bar."),
            "Follow the switch",
            "switch",
        ),
        Role.WATCHER: Line(
            "Switching to GREEN: {duty}",
            ("{progress}", "Say at once what looks wrong: a rollback takes two presses."),
            "Look at the wall",
            "wall",
        ),
        Role.COMMS: Line(
            "Switching to GREEN: note the time",
            ("{progress}", "Send the update when probes see 100 % on GREEN."),
            "Open the timeline",
            "timeline",
        ),
        Role.READER: Line("Switching to GREEN now", ("{progress}", "Nothing to press."), "Look at the wall", "wall"),
    },
    State.SWITCHED: {
        Role.LEAD: Line(
            "On GREEN: oversee the watch, tell the executives",
            ("{decision}", "{progress}", "You complete {phase_low} at the gate when the team is content."),
            "See the gate",
            "gate",
        ),
        Role.DRIVER: Line(
            "On GREEN: watch, and stay ready to roll back",
            ("{decision}", "{progress}", "The rollback cover is in the bar."),
            "Open the Switch page",
            "switch",
        ),
        Role.WATCHER: Line(
            "On GREEN: {duty}",
            ("Say at once what looks wrong, and note it.", "{decision}"),
            "Look at the wall",
            "wall",
        ),
        Role.COMMS: Line(
            "On GREEN: send the update, then one every 5 minutes",
            ("Customers are served by {green}.", "{decision}"),
            "Open the timeline",
            "timeline",
        ),
        Role.READER: Line(
            "On GREEN: customers are served by {green}",
            ("Nothing to press. The team watches.", "{decision}"),
            "Look at the wall",
            "wall",
        ),
    },
    State.ROLLING_BACK: {
        Role.LEAD: Line(
            "Rolling back to BLUE: nothing else to press",
            ("{progress}", "Machines check the success criteria within 30 s; any NO escalates."),
            "Follow the checks",
            "switch",
            "warn",
        ),
        Role.DRIVER: Line(
            "Rolling back to BLUE: nothing else to press",
            ("{progress}", "Follow the checks; any NO after 30 s escalates."),
            "Follow the checks",
            "switch",
            "warn",
        ),
        Role.WATCHER: Line(
            "Rolling back to BLUE: watch BLUE's metrics",
            ("{progress}", "Say at once what looks wrong."),
            "Look at the wall",
            "wall",
            "warn",
        ),
        Role.COMMS: Line(
            "Rolling back to BLUE: prepare the notice",
            ("{progress}", "Send it when the checks are YES."),
            "Open the timeline",
            "timeline",
            "warn",
        ),
        Role.READER: Line(
            "Rolling back to BLUE now", ("{progress}", "Nothing to press."), "Look at the wall", "wall", "warn"
        ),
    },
    State.ROLLED_BACK: {
        Role.LEAD: Line(
            "Rolled back: find the cause, then open a new attempt",
            ("{blue} serves everybody.", "{call}", "A new attempt needs {votes} new sign-offs."),
            "See the gate",
            "gate",
        ),
        Role.DRIVER: Line(
            "Rolled back: collect what went wrong on GREEN",
            ("{blue} serves everybody.", "Save the logs before anything is restarted."),
            "Open the timeline",
            "timeline",
        ),
        Role.WATCHER: Line(
            "Rolled back: note what you saw, and when",
            ("{blue} serves everybody.", "A new attempt starts with open checklists and votes."),
            "Open the timeline",
            "timeline",
        ),
        Role.COMMS: Line(
            "Rolled back: send the rollback notice",
            ("{blue} serves everybody.", "The timeline has the times and the measured impact."),
            "Open the timeline",
            "timeline",
        ),
        Role.READER: Line(
            "Rolled back: customers are served by {blue}",
            ("Nothing to press. The team looks for the cause.",),
            "Open the timeline",
            "timeline",
        ),
    },
    State.ON_HOLD: {
        Role.LEAD: Line(
            "On hold: resume or reschedule when it is mended",
            ("{reason}.", "Nothing moves meanwhile.", "{gate}"),
            "To the gate",
            "gate",
            "warn",
        ),
        Role.DRIVER: Line(
            "On hold: mend what is in your hands",
            ("{reason}.", "Nothing moves until {leads} resumes.", "{own}"),
            "See the gate",
            "gate",
            "warn",
        ),
        Role.WATCHER: Line(
            "On hold: mend what is in your hands",
            ("{reason}.", "Nothing moves until {leads} resumes.", "{own}"),
            "See the gate",
            "gate",
            "warn",
        ),
        Role.COMMS: Line(
            "On hold: tell everybody why",
            ("{reason}.", "Nothing moves until {leads} resumes."),
            "Open the timeline",
            "timeline",
            "warn",
        ),
        Role.READER: Line(
            "On hold: nothing moves", ("{reason}.", "{leads} resumes or reschedules."), "See the gate", "gate", "warn"
        ),
    },
    State.COMPLETED: {
        Role.LEAD: Line(
            "{phase} is complete: brief the executives, plan what follows",
            ("{green} is live, BLUE stays warm, and rollback stays one press away.",),
            "Open the timeline",
            "timeline",
        ),
        Role.DRIVER: Line(
            "{phase} is complete: go on call",
            ("{green} is live, BLUE stays warm, and rollback stays one press away.",),
            "Open the Switch page",
            "switch",
        ),
        Role.WATCHER: Line(
            "{phase} is complete: {duty}",
            ("Check for reports of users, try all features, watch the errors for 30 minutes more.",),
            "Look at the wall",
            "wall",
        ),
        Role.COMMS: Line(
            "{phase} is complete: send the success message",
            ("{green} is live.", "The timeline has the times and what was measured."),
            "Open the timeline",
            "timeline",
        ),
        Role.READER: Line(
            "{phase} is complete: customers are served by {green}",
            ("Nothing to press.",),
            "Open the timeline",
            "timeline",
        ),
    },
    State.ABORTED: {
        Role.LEAD: Line(
            "Aborted: agree with the team on what follows",
            ("{reason}.", "An aborted deployment never goes on; a new one has to be made."),
            "To the list of deployments",
            "list",
        ),
        Role.DRIVER: Line(
            "Aborted: nothing to press", ("{reason}.", "{blue} serves as before."), "Open the timeline", "timeline"
        ),
        Role.WATCHER: Line(
            "Aborted: nothing to press", ("{reason}.", "{blue} serves as before."), "Open the timeline", "timeline"
        ),
        Role.COMMS: Line(
            "Aborted: tell everybody why", ("{reason}.", "{blue} serves as before."), "Open the timeline", "timeline"
        ),
        Role.READER: Line(
            "Aborted: nothing to press", ("{reason}.", "{blue} serves as before."), "Open the timeline", "timeline"
        ),
    },
}
