"""`hub.store.sessions`: kept, marked deleted, or erased for good."""

from __future__ import annotations

from sqlalchemy import text

from hub.core.posts import RequestKey
from hub.ports import AuditEntry, Page, Reply, Written
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, ELIZA, Posts, add_session, member, room

AUDIT = AuditEntry("audit_1", ADMIN, "session.erased", "sess_1", AT_MS, {"owner": "user_alice"})


async def count(store: SqlStore, table: str) -> int:
    found = await store.database.read(
        lambda c: c.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    )
    return int(found)


async def test_a_session_is_a_room_of_its_own_kind(store: SqlStore) -> None:
    session = await add_session(store)
    view = await store.rooms.view(ACME, session.id)
    assert view is not None
    assert (view.room.kind, set(view.members)) == ("session", {"user_alice", ELIZA})
    assert await store.rooms.page(ACME, None, Page(10)) == []


async def test_the_same_request_makes_one_session(store: SqlStore) -> None:
    session = await add_session(store)
    key, people = RequestKey("s", "k", "d"), [member("user_alice", "owner")]
    await store.rooms.create(room("room_first"), people, key)
    again = await store.sessions.create(session, room("sess_9", kind="session"), people, key)
    assert again == Written(earlier="room_first")
    assert await store.rooms.view(ACME, "sess_9") is None


async def test_a_deleted_session_is_found_only_when_asked_for(store: SqlStore) -> None:
    await add_session(store)
    deleted = await store.sessions.delete(ACME, "sess_1", AUDIT)
    assert deleted is not None
    assert await store.sessions.get(ACME, "sess_1") is None
    assert await store.sessions.get(ACME, "sess_1", deleted=True) == deleted.session
    assert await store.sessions.page(ACME, None, None, Page(10)) == []
    assert await store.sessions.update(ACME, "sess_1", {"title": "x"}, AUDIT) is None


async def test_erasing_removes_everything_but_the_audit_trail(store: SqlStore) -> None:
    await add_session(store)
    await add_session(store, "sess_2")
    posts = Posts(store)
    for session_id in ("sess_1", "sess_2"):
        run = (await posts.send(session_id, calls=(ELIZA,))).runs[0]
        claimed = await store.runs.claim(run.id, "w", 60_000)
        assert claimed is not None
        await store.runs.finish(run.id, 1, Reply("succeeded", "reply", AT_MS))
    tables = ("rooms", "sessions", "members", "messages", "events", "runs")
    before = {table: await count(store, table) for table in tables}
    await store.sessions.update(ACME, "sess_1", {"title": "t"}, AUDIT)

    erased = AuditEntry("audit_2", ADMIN, "session.erased", "sess_1", AT_MS, {})
    assert await store.sessions.erase(ACME, "sess_1", erased) is True
    assert {table: await count(store, table) * 2 for table in tables} == before
    assert await store.sessions.get(ACME, "sess_1", deleted=True) is None
    trail = "SELECT id, actor_id, action, object_id FROM audit_log ORDER BY id"
    assert await store.database.read(lambda c: [tuple(r) for r in c.execute(text(trail))]) == [
        ("audit_1", "user_admin", "session.erased", "sess_1"),
        ("audit_2", "user_admin", "session.erased", "sess_1"),
    ]


async def test_a_run_of_an_erased_session_cannot_end(store: SqlStore) -> None:
    await add_session(store)
    run = (await Posts(store).send("sess_1", calls=(ELIZA,))).runs[0]
    await store.runs.claim(run.id, "w", 60_000)
    await store.sessions.erase(ACME, "sess_1", AUDIT)
    assert await store.runs.finish(run.id, 1, Reply("succeeded", "late", AT_MS)) is None
    assert await count(store, "messages") == 0


async def test_sessions_are_listed_by_owner_and_status_newest_first(store: SqlStore) -> None:
    for n, owner in enumerate(["user_alice", "user_bob", "user_alice"]):
        await add_session(store, f"sess_{n}", owner)
    await store.sessions.update(ACME, "sess_0", {"status": "closed"}, AUDIT)

    async def listed(owner: str | None, status: str | None, page: Page) -> list[str]:
        return [s.id for s in await store.sessions.page(ACME, owner, status, page)]

    assert await listed(None, None, Page(10)) == ["sess_2", "sess_1", "sess_0"]
    assert await listed("user_alice", None, Page(10)) == ["sess_2", "sess_0"]
    assert await listed("user_alice", "active", Page(10)) == ["sess_2"]
    assert await listed(None, None, Page(1, after="sess_2")) == ["sess_1"]
