"""No cross-tenant sight: whatever takes a tenant finds nothing of another's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from hub.core.values import ApiKey
from hub.ports import Page, Written
from hub.store.store import SqlStore
from tests.support.parts import (
    ACME,
    AT_MS,
    ELIZA,
    RIVAL,
    Posts,
    add_room,
    add_session,
    audit,
    member,
    participant,
)

Ask = Callable[[SqlStore, str], Awaitable[Any]]
READS: dict[str, Ask] = {
    "room": lambda s, t: s.rooms.view(t, "room_1"),
    "rooms": lambda s, t: s.rooms.page(t, None, Page(10)),
    "rooms of a member": lambda s, t: s.rooms.page(t, "user_alice", Page(10)),
    "message": lambda s, t: s.messages.get(t, "room_1", "msg_00001"),
    "run": lambda s, t: s.runs.get(t, "run_00001_0"),
    "session": lambda s, t: s.sessions.get(t, "sess_1"),
    "deleted session": lambda s, t: s.sessions.get(t, "sess_1", deleted=True),
    "sessions": lambda s, t: s.sessions.page(t, None, None, Page(10)),
    "sessions by metadata": lambda s, t: s.sessions.page(t, None, None, Page(10), {"of": "acme"}),
    "sessions that wait": lambda s, t: s.sessions.waiting(t, None, Page(10)),
    "sessions that were taken": lambda s, t: s.sessions.taken(t, "user_bob", Page(10)),
    "sessions of an owner": lambda s, t: s.sessions.page(t, "user_alice", None, Page(10)),
    "keys": lambda s, t: s.keys.page(t, None, Page(10)),
    "participant": lambda s, t: s.participants.get(t, "user_only_acme"),
    "participants": lambda s, t: s.participants.find(t, ["user_only_acme"]),
    "handles": lambda s, t: s.participants.handles(t, ["only_acme"]),
}
WRITES: dict[str, Ask] = {
    "change a member": lambda s, t: s.rooms.set_member(
        t, "room_1", member("user_bob", "admin"), AT_MS
    ),
    "remove a member": lambda s, t: s.rooms.remove_member(t, "room_1", "user_bob", AT_MS),
    "revoke a key": lambda s, t: s.keys.revoke(t, "key_1", AT_MS, None),
    "change a session": lambda s, t: s.sessions.update(
        t, "sess_1", {"title": "x"}, audit("sess_1")
    ),
    "title a session": lambda s, t: s.sessions.entitle(t, "sess_1", "x", AT_MS),
    "delete a session": lambda s, t: s.sessions.delete(t, "sess_1", audit("sess_1")),
    "ask for a person": lambda s, t: s.sessions.escalate(t, "sess_1", None, audit("sess_1")),
    "take a session over": lambda s, t: s.sessions.take_over(
        t, "sess_1", member("user_bob"), {}, audit("sess_1")
    ),
    "hand a session back": lambda s, t: s.sessions.hand_back(
        t, "sess_taken", None, audit("sess_taken")
    ),
    "change a participant": lambda s, t: s.participants.update(t, "user_only_acme", {"name": "x"}),
    "disable a participant": lambda s, t: s.participants.disable(t, "user_only_acme", 1, None),
}


@pytest.fixture
async def filled(store: SqlStore) -> SqlStore:
    """One of everything, in one tenant; both have people of the same ids."""
    await store.participants.create(participant("user_only_acme"), None)
    await add_room(store)
    for session_id in ("sess_1", "sess_waits", "sess_taken"):
        await add_session(store, session_id, metadata={"of": "acme"})
    await store.sessions.escalate(ACME, "sess_waits", None, audit("sess_waits"))
    await store.sessions.take_over(ACME, "sess_taken", member("user_bob"), {}, audit("sess_taken"))
    await Posts(store).send(calls=(ELIZA,))
    key = ApiKey("key_1", ACME, "user_alice", "k", "tenant_user", AT_MS, None, None)
    await store.keys.create(key, "digest", None, None)
    return store


async def content(store: SqlStore) -> list[Any]:
    tables = ("rooms", "members", "sessions", "messages", "events", "runs", "api_keys",
              "participants")  # fmt: skip
    return await store.database.read(
        lambda c: [tuple(r) for t in tables for r in c.execute(text(f"SELECT * FROM {t}"))]
    )


@pytest.mark.parametrize("what", READS)
async def test_a_foreign_thing_is_a_missing_one(what: str, filled: SqlStore) -> None:
    assert await READS[what](filled, ACME)
    assert not await READS[what](filled, RIVAL)


@pytest.mark.parametrize("what", WRITES)
async def test_a_foreign_thing_cannot_be_changed(what: str, filled: SqlStore) -> None:
    before = await content(filled)
    assert await WRITES[what](filled, RIVAL) in (None, Written())
    assert await content(filled) == before
    await WRITES[what](filled, ACME)
    assert await content(filled) != before
