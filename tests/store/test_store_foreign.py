"""Waiting for the store to hold its port in the corners."""

from __future__ import annotations

from sqlalchemy import Connection, text

from hub.core.posts import Posted, RequestKey
from hub.ports import AuditEntry, Written
from hub.store.schema import rooms
from hub.store.sessions import forget_keys
from hub.store.store import SqlStore
from tests.support.parts import (
    ACME,
    ADMIN,
    AT_MS,
    RIVAL,
    Posts,
    actor,
    add_room,
    add_session,
    member,
)

AUDIT = AuditEntry("audit_1", ADMIN, "session.erased", "sess_1", AT_MS, {})


async def test_a_retry_of_a_post_that_was_erased_harms_no_other_post(store: SqlStore) -> None:
    """Store: the key is there, its message is not."""
    await add_session(store)
    await add_room(store)
    posts, key = Posts(store), RequestKey("s", "k", "d")
    await posts.send("sess_1", key=key)
    retry, other = await posts.new("sess_1", key=key), await posts.new("room_1")
    await store.sessions.erase(ACME, "sess_1", AUDIT)
    refused, stored = await store.posts.commit([retry, other])
    assert not isinstance(refused, Posted)
    assert isinstance(stored, Posted)


async def test_erasing_forgets_the_keys_of_what_is_erased(store: SqlStore) -> None:
    await add_session(store)
    await Posts(store).send("sess_1", key=RequestKey("s", "k", "d"))
    await store.sessions.erase(ACME, "sess_1", AUDIT)
    count = text("SELECT count(*) FROM idempotency")
    assert await store.database.read(lambda c: c.execute(count).scalar()) == 0


async def test_erasing_leaves_the_keys_of_others(store: SqlStore) -> None:
    await add_session(store)
    await add_room(store)
    posts = Posts(store)
    for room_id in ("sess_1", "room_1"):
        await posts.send(room_id, key=RequestKey("s", room_id, "d"))
    await store.sessions.erase(ACME, "sess_1", AUDIT)
    left = text("SELECT key FROM idempotency")
    assert ["room_1"] == await store.database.read(lambda c: list(c.execute(left).scalars()))


async def test_the_keys_of_what_is_erased_are_found_by_an_index(store: SqlStore) -> None:
    """There are as many as a day's posts."""

    def plan(connection: Connection) -> str:
        erasing = forget_keys(rooms.c.id == "sess_1").compile(
            connection, compile_kwargs={"literal_binds": True}
        )
        if connection.dialect.name == "sqlite":
            return _told(connection, f"EXPLAIN QUERY PLAN {erasing}")
        connection.execute(text("SET LOCAL enable_seqscan = off"))  # all are empty
        return _told(connection, f"EXPLAIN {erasing}")

    told = await store.database.write(plan)  # SET LOCAL is of a transaction
    assert "ix_idempotency_created_ms" in told, told


def _told(connection: Connection, sql: str) -> str:
    return "\n".join(str(row) for row in connection.execute(text(sql)))


async def test_nobody_is_added_to_a_foreign_room(store: SqlStore) -> None:
    await add_room(store)
    assert await store.rooms.add_members(RIVAL, "room_1", [member("user_carol")]) == Written()
    view = await store.rooms.view(ACME, "room_1")
    assert view is not None
    assert "user_carol" not in view.members


async def test_a_foreign_room_is_not_updated(store: SqlStore) -> None:
    await add_room(store)
    admin = actor("user_admin", RIVAL, "tenant_admin")
    assert await store.rooms.update(RIVAL, "room_1", {"name": "x"}, admin, AT_MS) == Written()


async def test_erasing_nothing_records_nothing(store: SqlStore) -> None:
    await add_session(store)
    assert await store.sessions.erase(RIVAL, "sess_1", AUDIT) is False
    count = text("SELECT count(*) FROM audit_log")
    assert await store.database.read(lambda c: c.execute(count).scalar()) == 0
