"""Evidence files: what is taken, what is refused and with which words, and how they are given out."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from app.checklists.commands_files import add_file
from app.config import Settings
from app.db.engine import Database
from app.db.tables import Deployment, EvidenceFile, Person
from app.deployments.commands import database_now, lock
from app.domain.errors import Rejected
from app.domain.evidence import ALL_TOGETHER, ENDINGS, LARGEST, MOST, NAME_LIMIT, check_size, kind_of, name_of
from app.web.access import Forbidden, NotFound
from tests.conftest import Seeder, Web, make_scope_of
from tests.signoffs.cast import ScopeOf, events, standing, vote

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
HTMX = {"hx-request": "true"}
ITEM = "/checklists/before_production/database_backups"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7\n", "application/pdf"),
        ("backup alawael-1334 é\n\tok".encode(), "text/plain"),
        (b"<html><script>alert(1)</script>", "text/plain"),
    ],
)
def test_the_kind_is_told_by_the_content(content: bytes, kind: str) -> None:
    assert kind_of(content) == kind


@pytest.mark.parametrize(
    "content", [b"MZ\x90\x00", b"\x7fELF", b"PK\x03\x04\x14", b"GIF89a\x01\x00", b"text\x00more", b"\xff\xfe<\x00"]
)
def test_other_kinds_are_refused(content: bytes) -> None:
    with pytest.raises(Rejected, match="kind that is not taken"):
        kind_of(content)


@pytest.mark.parametrize(
    ("sent", "kind", "name"),
    [
        ("backup.png", "image/png", "backup.png"),
        ("photo.JPEG", "image/jpeg", "photo.jpg"),
        ("../../etc/passwd", "text/plain", "passwd.txt"),
        ("C:\\temp\\run.exe", "text/plain", "run.exe.txt"),
        ("evil.html", "text/plain", "evil.html.txt"),
        ("\u202egnp.exe", "image/png", "gnp.exe.png"),
        ("", "application/pdf", "evidence.pdf"),
        ("...", "application/pdf", "evidence.pdf"),
        ('a"b\r\nX: y.pdf', "application/pdf", "a_bX_ y.pdf"),
    ],
)
def test_names_are_made_harmless(sent: str, kind: str, name: str) -> None:
    assert name_of(sent, kind) == name


@given(st.text(max_size=300), st.sampled_from(sorted(ENDINGS)))
def test_any_name_becomes_a_plain_one(sent: str, kind: str) -> None:
    name = name_of(sent, kind)
    assert name.endswith(ENDINGS[kind])
    assert 0 < len(name) <= NAME_LIMIT
    assert not set(name) & set('/\\\r\n\x00"<>')


@pytest.mark.parametrize(
    ("size", "files", "together", "sentence"),
    [
        (0, 0, 0, "No file was chosen"),
        (LARGEST + 1, 0, 0, "the limit is 256 KiB"),
        (1, MOST, 0, "the most there can be"),
        (2, 0, ALL_TOGETHER - 1, "more than 16 MiB"),
    ],
)
def test_bounds(size: int, files: int, together: int, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        check_size(size, files=files, together=together)
    check_size(LARGEST, files=MOST - 1, together=ALL_TOGETHER - LARGEST)


async def count(database: Database) -> int:
    found = await database.read(lambda s: s.scalar(select(func.count()).select_from(EvidenceFile)))
    return int(found or 0)


async def put(database: Database, scope: Any, item: str = "database_backups", content: bytes = PNG) -> EvidenceFile:
    return await database.run(lambda s: add_file(s, scope, "before_production", item, "backup.png", content))


async def test_a_file_is_kept_once_and_votes_stand(
    database: Database, deployment: Deployment, scope_of: ScopeOf
) -> None:
    await vote(database, await scope_of(deployment, "operations"), "monitoring")
    scope = await scope_of(deployment, "devops_1")
    row = await put(database, scope)
    assert (row.name, row.kind, row.size) == ("backup.png", "image/png", len(PNG))
    await put(database, scope)
    assert await count(database) == 1
    assert [event.kind for event in await events(database, deployment, "checklists.file")] == ["checklists.file.added"]
    assert await standing(database, deployment) == {"monitoring": "GO"}


@pytest.mark.parametrize("login", ["support", "security_officer", "executive", "backend_1"])
async def test_a_file_is_added_by_the_items_owner(
    database: Database, deployment: Deployment, scope_of: ScopeOf, login: str
) -> None:
    with pytest.raises(Forbidden):
        await put(database, await scope_of(deployment, login))
    assert await count(database) == 0


async def test_items_that_take_no_files(database: Database, deployment: Deployment, scope_of: ScopeOf) -> None:
    scope = await scope_of(deployment, "devops_1")
    with pytest.raises(Rejected):
        await put(database, scope, "green_running")
    with pytest.raises(NotFound):
        await put(database, scope, "tea")

    async def move(session: AsyncSession) -> None:
        (await lock(session, deployment.id)).state = "switched"

    await database.run(move)
    with pytest.raises(Rejected, match="closed"):
        await put(database, scope)


@pytest.mark.parametrize("statement", ["update evidence_file set name = ''", "delete from evidence_file"])
async def test_the_application_cannot_change_or_take_away_a_file(committed_db: Database, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        await committed_db.run(lambda s: s.execute(text(statement)))


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def send(
    client: httpx.AsyncClient, web: Web, name: str, content: bytes, kind: str = "image/png"
) -> httpx.Response:
    files = {"file": (name, content, kind)}
    return await client.post(f"/d/{web.deployment.id}{ITEM}/files", files=files, headers=HTMX)


async def test_it_is_sent_shown_and_saved(web: Web) -> None:
    client = await web.client_as("devops_1")
    answer = await send(client, web, "<b>x.html", b"<script>alert(1)</script>", "text/html")
    assert answer.status_code == 200
    assert "_b_x.html.txt</a>" in answer.text
    assert "<script" not in answer.text
    file_id = await web.database.read(lambda s: s.scalar(select(EvidenceFile.id)))
    reader = await web.client_as("executive")
    saved = await reader.get(f"/d/{web.deployment.id}/checklists/files/{file_id}")
    assert saved.content == b"<script>alert(1)</script>"
    assert saved.headers["content-type"] == "text/plain; charset=utf-8"
    assert saved.headers["content-disposition"] == "attachment; filename*=UTF-8''_b_x.html.txt"
    assert saved.headers["x-content-type-options"] == "nosniff"
    assert saved.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert (
        await (await web.client_as(None)).get(f"/d/{web.deployment.id}/checklists/files/{file_id}")
    ).status_code == 303
    assert (await reader.get(f"/d/{web.deployment.id}/checklists/files/{file_id + 1}")).status_code == 404


async def test_a_file_of_another_deployment_is_not_there(web: Web, seed: Seeder) -> None:
    other = await seed(web.database)
    client = await web.client_as("devops_1")
    assert (await send(client, web, "a.png", PNG)).status_code == 200
    file_id = await web.database.read(lambda s: s.scalar(select(EvidenceFile.id)))
    reader = await web.client_as("executive")
    assert (await reader.get(f"/d/{web.deployment.id}/checklists/files/{file_id}")).status_code == 200
    assert (await reader.get(f"/d/{other.id}/checklists/files/{file_id}")).status_code == 404

    async def stranger(session: AsyncSession) -> None:
        now = await database_now(session)
        session.add(Person(login="stranger", name="Stranger", password_hash=None, created_at=now))

    await web.database.run(stranger)
    outside = await web.client_as("stranger")
    assert (await outside.get(f"/d/{web.deployment.id}/checklists/files/{file_id}")).status_code == 404


async def test_what_is_refused_says_why(web: Web) -> None:
    client = await web.client_as("devops_1")
    for content, words in (
        (b"MZ\x90\x00", "kind that is not taken"),
        (b"x" * (LARGEST + 1), "256 KiB"),
        (b"", "empty"),
    ):
        answer = await send(client, web, "a.png", content)
        assert answer.status_code in (409, 422)
        assert words in answer.text
    huge = await send(client, web, "a.png", b"x" * (2 * 1024 * 1024))
    assert huge.status_code == 413
    nothing = await client.post(f"/d/{web.deployment.id}{ITEM}/files", data={"file": "text"}, headers=HTMX)
    assert "No file was chosen" in nothing.text
    assert await count(web.database) == 0
    other = await client.post(f"/d/{web.deployment.id}{ITEM}", data={"text": "x" * 300_000}, headers=HTMX)
    assert other.status_code == 413, "only files have the larger limit"


async def test_nobody_waits_while_content_is_judged(committed_db: Database, seed: Seeder, settings: Settings) -> None:
    """Whatever is sent is looked through before the deployment is locked, so that a rollback does not wait for it."""
    deployment = await seed(committed_db)
    scope = await make_scope_of(committed_db, settings)(deployment, "devops_1")
    async with committed_db.session() as other:
        await lock(other, deployment.id)
        with pytest.raises(Rejected, match="kind that is not taken"):
            await asyncio.wait_for(put(committed_db, scope, content=b"\x00" * LARGEST), 5)
        with pytest.raises(Rejected, match="limit is"):
            await asyncio.wait_for(put(committed_db, scope, content=PNG + b"x" * LARGEST), 5)
        await other.rollback()


def test_a_large_text_is_looked_through_at_once() -> None:
    began = time.process_time()
    for _ in range(20):
        assert kind_of(b"evidence of a backup, line by line\n" * 7000) == "text/plain"
    assert (time.process_time() - began) / 20 < 0.01, "a form's worth of text keeps every other request waiting"
