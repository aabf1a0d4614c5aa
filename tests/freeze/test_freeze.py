"""The change freeze and its emergency patches."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.db.tables import ChangeFreeze, Deployment, EmergencyPatch, RosterSeat
from app.deployments.commands import database_now
from app.domain.errors import Rejected
from app.domain.freeze import LONGEST, MOST_WAITING, check_until
from app.freeze.commands import answer, ask, freeze, lift
from app.freeze.forms import AnswerForm, FreezeForm, PatchForm
from app.freeze.queries import MOST, freeze_line, freeze_view
from app.web.access import Forbidden, NotFound, Scope
from app.web.mission import FreezeLine
from tests.conftest import Web
from tests.signoffs.cast import ScopeOf, events

HTMX = {"hx-request": "true"}
NOW = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)


async def set_it(database: Database, scope: Scope, reason: str = "deployment day", minutes: int = 240) -> None:
    await database.run(lambda s: freeze(s, scope, FreezeForm(reason=reason, minutes=minutes)))


async def ask_for(database: Database, scope: Scope, text: str = "raise the pool to 40", key: str = "") -> None:
    await database.run(lambda s: ask(s, scope, PatchForm(text=text, _key=key)))


async def say(database: Database, scope: Scope, patch: int, verdict: str, comment: str = "looked at it") -> None:
    form = AnswerForm.model_validate({"verdict": verdict, "comment": comment})
    await database.run(lambda s: answer(s, scope, patch, form))


async def line(database: Database, deployment: Deployment) -> FreezeLine | None:
    return await database.read(lambda s: _line(s, deployment))


async def _line(session: AsyncSession, deployment: Deployment) -> FreezeLine | None:
    return await freeze_line(session, deployment.id, await database_now(session))


async def patch_ids(database: Database) -> list[int]:
    return await database.read(_ids)


async def _ids(session: AsyncSession) -> list[int]:
    return list(await session.scalars(select(EmergencyPatch.id).order_by(EmergencyPatch.id)))


@pytest.mark.parametrize("until", [NOW, NOW + timedelta(seconds=59), NOW + LONGEST + timedelta(seconds=1)])
def test_ends_that_are_refused(until: datetime) -> None:
    with pytest.raises(Rejected):
        check_until(until, NOW)
    check_until(NOW + LONGEST, NOW)


async def test_a_freeze_is_set_once_and_lifted_once(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    manager, lead = await scope_of(deployment, "project_manager"), await scope_of(deployment, "devops_lead")
    assert await line(database, deployment) is None
    for _ in range(2):
        await set_it(database, manager)
    found = await line(database, deployment)
    assert found is not None
    assert (found.reason, found.until - found.since, found.patches) == ("deployment day", timedelta(hours=4), 0)
    with pytest.raises(Rejected, match="Project manager froze changes already: deployment day"):
        await set_it(database, lead, "my own")
    for _ in range(2):
        await database.run(lambda s: lift(s, lead))
    assert await line(database, deployment) is None
    assert [event.kind for event in await events(database, deployment, "freeze.")] == ["freeze.set", "freeze.lifted"]


async def test_it_ends_by_time_alone_and_can_be_set_again(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    scope = await scope_of(deployment, "devops_lead")
    await set_it(database, scope)
    ago = func.clock_timestamp() - timedelta(seconds=1)
    await database.run(lambda s: s.execute(update(ChangeFreeze).values(until=ago)))
    assert await line(database, deployment) is None
    with pytest.raises(Rejected, match="No change freeze is in force"):
        await ask_for(database, await scope_of(deployment, "backend_1"))
    await set_it(database, scope, "again")
    found = await line(database, deployment)
    assert found is not None
    assert found.reason == "again"


async def test_a_patch_is_asked_for_and_answered(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await set_it(database, await scope_of(deployment, "project_manager"))
    backend, officer = await scope_of(deployment, "backend_1"), await scope_of(deployment, "security_officer")
    for _ in range(2):
        await ask_for(database, backend, key="a-press")
    first = (await patch_ids(database))[0]
    assert len(await patch_ids(database)) == 1
    found = await line(database, deployment)
    assert found is not None
    assert found.patches == 1
    for _ in range(2):
        await say(database, officer, first, "approved")
    with pytest.raises(Rejected, match="Security officer answered before: approved"):
        await say(database, officer, first, "refused")
    view = await database.read(lambda s: freeze_view(s, officer))
    assert [(row.verdict, row.comment, row.can_answer) for row in view.patches] == [("approved", "looked at it", False)]
    await ask_for(database, backend, "another")
    await say(database, officer, (await patch_ids(database))[1], "refused", "can wait")
    kinds = [event.kind for event in await events(database, deployment, "freeze.patch")]
    assert kinds == ["freeze.patch.asked", "freeze.patch.approved", "freeze.patch.asked", "freeze.patch.refused"]


async def test_nobody_answers_their_own_or_one_that_is_not_there(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await set_it(database, await scope_of(deployment, "project_manager"))
    officer = await scope_of(deployment, "security_officer")
    await ask_for(database, officer)
    with pytest.raises(Rejected, match="their own"):
        await say(database, officer, (await patch_ids(database))[0], "approved")
    with pytest.raises(NotFound):
        await say(database, officer, 10**6, "approved")


async def test_what_waits_is_never_pushed_off_the_page_and_has_an_end(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await set_it(database, await scope_of(deployment, "project_manager"))
    backend, officer = await scope_of(deployment, "backend_1"), await scope_of(deployment, "security_officer")
    await ask_for(database, backend, "the first")
    first = (await patch_ids(database))[0]

    async def many_answered(session: AsyncSession) -> None:
        now = await database_now(session)
        row = {"deployment_id": deployment.id, "text": "old", "asked_by": "x", "person_id": backend.viewer.person_id}
        row |= {"key": "", "asked_at": now, "verdict": "approved", "comment": "", "answered_by": "y"}
        await session.execute(insert(EmergencyPatch), [row] * MOST)

    await database.run(many_answered)
    view = await database.read(lambda s: freeze_view(s, officer))
    assert (view.patches[0].id, view.patches[0].can_answer) == (first, True)
    for number in range(1, MOST_WAITING):
        await ask_for(database, backend, f"patch {number}")
    with pytest.raises(Rejected, match=f"{MOST_WAITING} "):
        await ask_for(database, backend, "one more")
    await say(database, officer, first, "refused")
    await ask_for(database, backend, "one more")


async def test_a_word_of_somebody_who_lost_the_seat_meanwhile_counts_for_nothing(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    """The request came with the seat and waited for the deployment; who had it locked gave the seat away."""
    manager, officer = await scope_of(deployment, "project_manager"), await scope_of(deployment, "security_officer")
    await set_it(database, manager)
    await ask_for(database, await scope_of(deployment, "backend_1"))
    patch = (await patch_ids(database))[0]
    gone = RosterSeat.person_id.in_([manager.viewer.person_id, officer.viewer.person_id])
    await database.run(lambda s: s.execute(delete(RosterSeat).where(gone)))
    with pytest.raises(Forbidden, match="given to somebody else"):
        await say(database, officer, patch, "approved")
    with pytest.raises(Forbidden):
        await database.run(lambda s: lift(s, manager))
    found = await line(database, deployment)
    assert found is not None
    assert found.patches == 1


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_stands_on_every_page(web: Web) -> None:
    base = f"/d/{web.deployment.id}"
    manager, backend = await web.client_as("project_manager"), await web.client_as("backend_1")
    officer, reader = await web.client_as("security_officer"), await web.client_as("executive")
    hostile = '<b>day</b> "x" \x00'
    sent = await manager.post(f"{base}/freeze/set", data={"reason": hostile, "minutes": "60"}, headers=HTMX)
    assert sent.status_code == 200
    for path in ("", "/board", "/checklists", "/timeline", "/freeze", "/_banner"):
        page = (await reader.get(base + path)).text
        assert "Change freeze" in page, path
        assert "&lt;b&gt;day" in page, path
        assert "<b>day</b>" not in page
    asked = await backend.post(f"{base}/freeze/patches", data={"text": "<script>x</script>"}, headers=HTMX)
    assert "&lt;script&gt;" in asked.text
    assert "1 emergency patch to answer" in (await reader.get(base)).text
    patch = (await patch_ids(web.database))[0]
    assert f'id="approve-{patch}"' in (await officer.get(f"{base}/freeze")).text
    assert f'id="approve-{patch}"' not in (await manager.get(f"{base}/freeze")).text
    form = {"verdict": "approved", "comment": "small and undone easily"}
    assert (
        "<b>Approved</b>" in (await officer.post(f"{base}/freeze/patches/{patch}/answer", data=form, headers=HTMX)).text
    )
    plain = await manager.post(f"{base}/freeze/lift")
    assert (plain.status_code, plain.headers["location"]) == (303, f"{base}/freeze")
    assert "Change freeze</b>" not in (await reader.get(base)).text


async def test_an_error_stands_at_the_field_with_what_was_typed(web: Web) -> None:
    base = f"/d/{web.deployment.id}/freeze"
    manager = await web.client_as("project_manager")
    for headers in (HTMX, {}):
        for form, words in (
            ({"reason": "x" * 501, "minutes": "60"}, "longer than 500"),
            ({"reason": "", "minutes": "60"}, "empty"),
            ({"reason": "for ever", "minutes": "99999"}, "14 days at most"),
            ({"reason": "soon", "minutes": "soon"}, "cannot be read"),
        ):
            answer_ = await manager.post(f"{base}/set", data=form, headers=headers)
            assert answer_.status_code == 422
            assert words in answer_.text
            assert 'aria-invalid="true"' in answer_.text
            assert form["reason"] in answer_.text
    assert await web.database.read(lambda s: s.scalar(select(func.count()).select_from(ChangeFreeze))) == 0


async def test_wrong_positions(web: Web) -> None:
    base = f"/d/{web.deployment.id}/freeze"
    for login, path in (
        ("support", "set"), ("backend_1", "lift"), ("support", "patches"), ("project_manager", "patches/1/answer"),
    ):  # fmt: skip
        client = await web.client_as(login)
        assert (await client.post(f"{base}/{path}", data={}, headers=HTMX)).status_code == 403


async def test_so_many_patches_wait_and_no_more(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    await set_it(database, await scope_of(deployment, "project_manager"))
    asks, officer = await scope_of(deployment, "backend_lead"), await scope_of(deployment, "security_officer")
    for number in range(MOST_WAITING):
        await ask_for(database, asks, f"patch {number}")
    with pytest.raises(Rejected, match="20 patches wait for an answer already") as refused:
        await ask_for(database, asks, "one more")
    assert refused.value.code == "too_many"
    await say(database, officer, (await patch_ids(database))[0], "refused")
    await ask_for(database, asks, "one more")
