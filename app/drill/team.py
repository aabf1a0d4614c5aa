"""The team of a drill: people with browsers' habits and no browser. Everything they do goes through HTTP."""

import html
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx

from app.domain.plan import Plan
from app.seed import seat_name

_SEAT = re.compile(r'name="person" value="(\d+)".*?<b>(.*?)</b>', re.DOTALL)
_CSRF = re.compile(r"X-CSRF\D+?: \"([^\"]+)\"")
_SHOWN = re.compile(r'name="question" value="(\w+)"><input type="hidden" name="shown" value="(\w+)"')
_ITEM = re.compile(
    r'action="([^"]*/checklists/\w+/\w+[^"]*)"'
    r'(?:(?!</form>).)*?value="done"(?:(?!</form>).)*?name="version" value="(\d+)"',
    re.DOTALL,
)


SIGN_IN_EVERY_S = 200.0


class WentWrong(Exception):
    """Somebody was told no where the drill expected a yes; the message is what they were told."""


@dataclass
class Member:
    """One person, signed in. `person` is their number on the range's list, by which they sign in again in a long drill:
    presses ask for a sign-in of the last 5 min, and an idle session ends."""

    title: str
    client: httpx.AsyncClient
    deployment: str
    person: str = ""
    signed_in_at: float = 0

    async def sign_in(self) -> None:
        """Raises WentWrong."""
        answer = await self.client.post("/sign-in/person", data={"person": self.person, "next": "/"})
        if answer.status_code not in (200, 204, 303):
            raise WentWrong(f"{self.title} could not sign in: {answer.status_code}")
        token = _CSRF.search((await self.client.get("/")).text)
        if token is None:
            raise WentWrong(f"{self.title}: the page carries no CSRF token")
        self.client.headers["x-csrf"] = token.group(1)
        self.signed_in_at = time.monotonic()

    async def _stay_signed_in(self) -> None:
        if self.person and time.monotonic() - self.signed_in_at > SIGN_IN_EVERY_S:
            await self.sign_in()

    async def page(self, path: str) -> str:
        """A page of the deployment; raises WentWrong unless it answers 200."""
        await self._stay_signed_in()
        response = await self.client.get(self.deployment + path)
        if response.status_code != 200:
            raise WentWrong(f"{self.title}: GET {path} answered {response.status_code}")
        return response.text

    async def post(self, path: str, expect: tuple[int, ...] = (200, 204, 303), **form: str) -> httpx.Response:
        """Send a form as a browser does, with the page's token and an idempotency key."""
        await self._stay_signed_in()
        fields = {"_key": secrets.token_urlsafe(12), **form}
        url = path if path.startswith("/d/") else self.deployment + path
        response = await self.client.post(url, data=fields)
        if response.status_code not in expect:
            raise WentWrong(f"{self.title}: POST {path} answered {response.status_code}: {_words(response.text)}")
        return response

    async def send_file(self, path: str, name: str, content: bytes) -> None:
        """A file, as the form of a checklist's item sends it. Raises WentWrong."""
        url = path if path.startswith("/d/") else self.deployment + path
        fields = {"_key": secrets.token_urlsafe(12)}
        response = await self.client.post(url, data=fields, files={"file": (name, content, "text/plain")})
        if response.status_code not in (200, 204, 303):
            raise WentWrong(f"{self.title}: POST {path} answered {response.status_code}: {_words(response.text)}")


def _words(page: str) -> str:
    text = re.sub(r"<svg.*?</svg>|<script.*?</script>|<[^>]+>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", text))[:600]


@dataclass
class Team:
    """The people of a deployment by the titles of their seats."""

    members: dict[str, Member]

    def __getitem__(self, title: str) -> Member:
        return self.members[title]

    def who(self, plan: Plan, capability: str) -> Member:
        """Somebody of the first position of the plan that has this capability. Raises WentWrong."""
        for position in plan.positions:
            if capability in position.capabilities:
                return self[seat_name(position, 1)]
        raise WentWrong(f"no position of the plan may {capability}")

    def signers(self, plan: Plan) -> list[Member]:
        """Who answers the questions of the go/no-go board, in their order."""
        gate = plan.production.signoffs
        return [self[seat_name(plan.position(q.position), 1)] for q in gate.questions] if gate else []

    async def aclose(self) -> None:
        for member in self.members.values():
            await member.client.aclose()


async def gather_team(url: str, deployment_id: int) -> Team:
    """Sign in everybody whom the range offers."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        page = (await client.get("/sign-in")).text
    members: dict[str, Member] = {}
    for person, title in _SEAT.findall(page):
        client = httpx.AsyncClient(base_url=url, timeout=15, trust_env=False, headers={"sec-fetch-site": "same-origin"})
        member = Member(html.unescape(title), client, f"/d/{deployment_id}", person)
        await member.sign_in()
        members[member.title] = member
    return Team(members)


async def sign_off(member: Member) -> str:
    """GO on this person's question, as the board shows it. Returns the question's key."""
    board = await member.page("/board")
    found = _SHOWN.search(board)
    if found is None:
        raise WentWrong(f"{member.title} sees no ballot")
    question, shown = found.groups()
    await member.post("/board/vote", question=question, vote="go", comment="Checked in the drill.", shown=shown)
    return question


async def tick(member: Member, checklist: str) -> int:
    """Confirm every open item of a checklist that this person may confirm. Returns how many."""
    page = await member.page("/checklists?show=mine")
    done = 0
    for action, version in _ITEM.findall(page):
        if f"/checklists/{checklist}/" in action:
            await member.post(html.unescape(action), state="done", text="drill evidence", version=version)
            done += 1
    return done


def as_ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


Result = dict[str, Any]
