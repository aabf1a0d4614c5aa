"""What a team does on the day beside its phases, once each, through the pages that offer it: being there, one's own
lists and duties, a change freeze and a patch in it, a file as evidence, the hand on the rollback, a customers' report,
an incident."""

import html
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from app.domain.plan import Plan, Position
from app.drill.team import Member, Team, WentWrong
from app.seed import seat_name

_OWN = re.compile(r'id="own-done-[^"]*"[^>]*? name="done" value="([^"]+)"')
_DUTY = re.compile(r'id="duty-done-[^"]*"[^>]*? name="done" value="([^"]+)"')
_OPTION = re.compile(r'<option value="(\d+)"[^>]*>([^<]+)</option>')
_FILES = re.compile(r'action="([^"]*/checklists/(\w+)/\w+/files[^"]*)"')
_PATCH = re.compile(r'action="([^"]*/freeze/patches/\d+/answer)"')
_REPORT = re.compile(r'action="([^"]*/incidents/reports/\d+/answer)"')
_CHECK = re.compile(r'action="([^"]*/incidents/\d+/checks/\d+)"')
_DECIDE = re.compile(r'action="([^"]*/incidents/\d+/decide)"')
MINUTES = "480"
PAPER = b"checked by the drill\n09:12 backup finished, 0 errors\n09:13 restored on a copy, row counts agree\n"

Counts = dict[str, int]
Found = TypeVar("Found")


class Deeds:
    """`counts`: how often each was done, by its name in the last line of the drill."""

    def __init__(self, team: Team, plan: Plan) -> None:
        self._team, self._plan = team, plan
        self.counts: Counts = {}

    def missing(self) -> Iterator[str]:
        """What the plan would let the team do and nobody did."""
        for name, positions in self._possible().items():
            if positions and not self.counts.get(name):
                yield name.replace("_", " ")

    def _possible(self) -> dict[str, bool]:
        may = {capability for position in self._plan.positions for capability in position.capabilities}
        works = {"note", "check"} & may
        return {
            "arrived": bool(works),
            "own_ticks": bool(works) and any(each.kind == "personal" for each in self._plan.checklists),
            "duties": bool(works) and any(list(each.duties.before) for each in self._plan.positions),
            "freezes": bool({"proceed", "decide"} & may),
            "patches": {"ask_patch", "approve_patch"} <= may,
            "evidence_files": bool(self._plan.production.checklist) and "check" in may,
            "hands_over": sum(position.seats for position in self._having("rollback")) > 1,
            "customer_reports": {"communicate", "note"} <= may,
            "incidents": bool({"decide", "proceed"} & may),
            "findings": bool(self._plan.incident_checks),
        }

    # ── the morning ─────────────────────────────────────────────────────────

    async def arrive(self) -> None:
        for member in self._working():
            await member.post("/roster/arrive")
            self._count("arrived")

    async def own_lists(self) -> None:
        """Everybody their own readiness, line by line."""
        for member in self._working():
            for name in _OWN.findall(await member.page("/checklists")):
                await member.post("/checklists/personal", done=html.unescape(name))
                self._count("own_ticks")

    async def duties(self, *stages: str) -> None:
        """The duties of these times of the day: before, during, repeated, after."""
        for member in self._working():
            for name in map(html.unescape, _DUTY.findall(await member.page("/checklists"))):
                if name.partition(".")[2].partition("-")[0] in stages:
                    await member.post("/checklists/duties", done=name)
                    self._count("duties")

    async def freeze(self) -> None:
        lead = self._first("proceed", "decide")
        await lead.post("/freeze/set", reason="Nobody changes anything until the day is over", minutes=MINUTES)
        self._count("freezes")

    async def lift_freeze(self) -> None:
        await self._first("proceed", "decide").post("/freeze/lift")

    async def patch(self) -> None:
        """An emergency patch inside the freeze: asked for, approved by somebody else, where the plan has both."""
        if not self._possible()["patches"]:
            return
        text = "The log fills the disk: rotate it hourly. Undone by removing one line."
        await self._first("ask_patch").post("/freeze/patches", text=text)
        judge = self._first("approve_patch")
        action = _only(_PATCH.findall(await judge.page("/freeze")), f"{judge.title} is asked for no patch")
        await judge.post(action, verdict="approved", comment="Harmless, and undone in a minute.")
        self._count("patches")

    # ── before the switch ───────────────────────────────────────────────────

    async def evidence(self, checklist: str | None) -> None:
        """A file with the first item of the checklist that takes one from somebody."""
        for member in self._working() if checklist else ():
            for action, found in _FILES.findall(await member.page("/checklists?show=mine")):
                if found == checklist:
                    await member.send_file(html.unescape(action), "backup.log", PAPER)
                    self._count("evidence_files")
                    return

    async def hand_over(self) -> None:
        """The hand on the rollback: whoever has it offers it to the first who may have it, who takes it."""
        holders = [member for place in self._having("rollback") for member in self._seats(place)]
        for member in holders:
            page = await member.page("/roster/_hand")
            if "/roster/hand/offer" not in page:
                continue
            person, name = _only(_OPTION.findall(page), "nobody else may roll back")
            await member.post("/roster/hand/offer", person=person)
            await self._team[html.unescape(name)].post("/roster/hand/accept")
            self._count("hands_over")
            return

    # ── after the switch ────────────────────────────────────────────────────

    async def customers_report(self) -> None:
        """Taken in by who talks to customers, acknowledged and explained by whoever works on the day."""
        if not self._possible()["customer_reports"]:
            return
        text = "The page loads, and its pictures came late for a minute"
        await self._first("communicate").post("/incidents/reports", text=text, customers="3", severity="warning")
        who = self._first("note")
        for state in ("acknowledged", "explained"):
            action = _only(_REPORT.findall(await who.page("/incidents")), f"{who.title} can answer no report")
            await who.post(html.unescape(action), state=state, answer="Caches were cold; it is over.")
        self._count("customer_reports")

    async def incident(self) -> None:
        """Raised, looked into by everybody whom the plan names, decided by whoever is asked."""
        await self._first("raise_alert", "note").post(
            "/incidents/raise", title="Answers took longer for a moment", severity="warning"
        )
        for member in self._team.members.values():
            for action in _CHECK.findall(await member.page("/incidents")):
                await member.post(html.unescape(action), finding="Nothing out of the ordinary.")
                self._count("findings")
        for member in self._team.members.values():
            for action in _DECIDE.findall(await member.page("/incidents")):
                await member.post(
                    html.unescape(action), outcome="watch", reason="It is over; we look again at the next point."
                )
                self._count("incidents")
                return
        raise WentWrong("nobody is asked to decide on the incident")

    # ── who ─────────────────────────────────────────────────────────────────

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def _having(self, *capabilities: str) -> Iterable[Position]:
        return [place for place in self._plan.positions if set(capabilities) & set(place.capabilities)]

    def _seats(self, position: Position) -> list[Member]:
        return [self._team[seat_name(position, seat)] for seat in range(1, position.seats + 1)]

    def _first(self, *capabilities: str) -> Member:
        """Somebody who may do this, by the first of the capabilities that anybody has. Raises WentWrong."""
        for capability in capabilities:
            for position in self._having(capability):
                return self._seats(position)[0]
        raise WentWrong(f"no position of the plan may {' or '.join(capabilities)}")

    def _working(self) -> list[Member]:
        return [member for position in self._having("note", "check") for member in self._seats(position)]


def _only(found: list[Found], otherwise: str) -> Found:
    if not found:
        raise WentWrong(otherwise)
    return found[0]
