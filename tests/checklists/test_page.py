"""The checklists page: what is shown to whom, and evidence as text with links."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.checklists.queries import pieces
from app.checklists.views import Piece
from tests.conftest import Web, make_scope_of
from tests.signoffs.cast import tick


async def test_the_page_opens_for_everybody_on_the_roster(web: Web) -> None:
    base = f"/d/{web.deployment.id}/checklists"
    for login in ("project_manager", "devops_1", "support", "security_officer", "executive", "admin"):
        client = await web.client_as(login)
        page = await client.get(base)
        assert page.status_code == 200
        keys = re.findall(r'id="checklist-(\w+)"', page.text)
        assert keys[0] == "before_production"
        assert sorted(keys) == ["before_github", "before_production", "before_staging"]
        ids = re.findall(r'\bid="([^"]+)"', page.text)
        assert len(ids) == len(set(ids))


async def test_every_fragment_has_a_route(web: Web) -> None:
    client = await web.client_as("support")
    base = f"/d/{web.deployment.id}/checklists"
    for key in ("before_production", "before_github", "before_staging"):
        assert f'id="checklist-{key}"' in (await client.get(f"{base}/{key}/_items")).text
        assert f'id="machine-{key}"' in (await client.get(f"{base}/{key}/_machine")).text
    assert 'id="progress"' in (await client.get(f"{base}/_progress")).text


async def test_mine_shows_only_what_the_seat_owns(web: Web) -> None:
    client = await web.client_as("support")
    base = f"/d/{web.deployment.id}/checklists"
    page = await client.get(f"{base}?show=mine")
    assert re.findall(r'<li class="item" id="item-([\w-]+)"', page.text) == [
        "before_production-support_briefed",
        "before_github-slack_channel",
    ]
    assert f'hx-get="{base}/before_production/_items?show=mine"' in page.text
    assert "9 of other positions not shown." in page.text


async def test_the_headline_counts_what_is_left_for_the_seat(web: Web) -> None:
    scope_of = make_scope_of(web.database, web.app.state.settings)
    client = await web.client_as("operations")
    base = f"/d/{web.deployment.id}/checklists"
    assert "<h1>Confirm two items " in (await client.get(base)).text
    for item in ("dashboards_open", "caffeine"):
        await tick(web.database, await scope_of(web.deployment, "operations"), item)
    assert "<h1>Nothing of yours is open</h1>" in (await client.get(base)).text
    officer = await web.client_as("security_officer")
    assert "<h1>No item here is yours</h1>" in (await officer.get(base)).text


async def test_forms_stand_only_where_the_person_may_send_them(web: Web) -> None:
    base = f"/d/{web.deployment.id}/checklists"
    support = (await (await web.client_as("support")).get(base)).text
    assert set(re.findall(r'id="form-before_production-(\w+)-done"', support)) == {"support_briefed"}
    leader = (await (await web.client_as("project_manager")).get(base)).text
    assert len(re.findall(r'id="form-before_production-\w+-done"', leader)) == 7
    executive = (await (await web.client_as("executive")).get(base)).text
    assert 'id="form-before' not in executive


async def test_unknown_checklists_and_strangers(web: Web) -> None:
    base = f"/d/{web.deployment.id}/checklists"
    client = await web.client_as("support")
    for path in ("nothing/_items", "nothing/_machine"):
        assert (await client.get(f"{base}/{path}")).status_code == 404
    assert (await client.get(f"{base}?show=theirs")).status_code == 422
    assert (await (await web.client_as(None)).get(base)).status_code == 303


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("backup 1334", (Piece("backup 1334"),)),
        (
            "see https://a.example/x, then.",
            (Piece("see "), Piece("https://a.example/x", "https://a.example/x"), Piece(", then.")),
        ),
        ("HTTP://A.EXAMPLE", (Piece("HTTP://A.EXAMPLE", "HTTP://A.EXAMPLE"),)),
        ("javascript:alert(1) ftp://a data:text/html,x", (Piece("javascript:alert(1) ftp://a data:text/html,x"),)),
        ("(http://a.example)", (Piece("("), Piece("http://a.example", "http://a.example"), Piece(")"))),
    ],
)
def test_addresses_in_evidence(text: str, found: tuple[Piece, ...]) -> None:
    assert pieces(text) == found


@given(
    st.text()
    | st.lists(st.sampled_from(["http://", "https://a.b", "javascript:", ".", " ", "<", "é", "\n"])).map("".join)
)
def test_nothing_is_lost_and_only_web_addresses_become_links(text: str) -> None:
    found = pieces(text)
    assert "".join(piece.text for piece in found) == text
    for piece in found:
        assert piece.url in ("", piece.text)
        assert not piece.url or re.match(r"https?://", piece.url, re.IGNORECASE)
