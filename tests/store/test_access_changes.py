"""`hub.store.access_changes`: what was taken away is numbered as it is committed."""

from __future__ import annotations

import asyncio

from hub.core.values import ApiKey
from hub.ports import AccessChange, AuditEntry
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, BOB, add_room, add_session

AUDIT = AuditEntry("audit_1", ADMIN, "session.deleted", "sess_1", AT_MS, {})


async def _key(store: SqlStore, key_id: str) -> None:
    key = ApiKey(key_id, ACME, BOB.id, "k", "tenant_user", AT_MS, None, None)
    await store.keys.create(key, "digest", None, None)


async def test_what_was_taken_away_is_told_in_order_from_any_number(store: SqlStore) -> None:
    await _key(store, "key_1")
    await add_room(store)
    await add_session(store)
    assert 0 == await store.access_changes.latest()
    await store.keys.revoke(ACME, "key_1", AT_MS, None)
    await store.rooms.remove_member(ACME, "room_1", BOB.id, AT_MS)
    await store.sessions.delete(ACME, "sess_1", AUDIT)
    expected = [
        AccessChange(1, "key", "key_1"),
        AccessChange(2, "room", "room_1"),
        AccessChange(3, "room", "sess_1"),
    ]
    assert expected == await store.access_changes.after(0, 10)
    assert expected[1:2] == await store.access_changes.after(1, 1)
    assert 3 == await store.access_changes.latest()


async def test_what_took_nothing_away_is_not_told(store: SqlStore) -> None:
    await _key(store, "key_1")
    await add_room(store)
    for _ in range(2):
        await store.keys.revoke(ACME, "key_1", AT_MS, None)
        await store.rooms.remove_member(ACME, "room_1", BOB.id, AT_MS)
    assert 2 == await store.access_changes.latest()


async def test_numbers_are_dense_though_many_are_taken_at_once(store: SqlStore) -> None:
    keys = [f"key_{n}" for n in range(20)]
    for key_id in keys:
        await _key(store, key_id)
    await asyncio.gather(*(store.keys.revoke(ACME, key_id, AT_MS, None) for key_id in keys))
    found = await store.access_changes.after(0, 100)
    assert list(range(1, 21)) == [change.number for change in found]
    assert set(keys) == {change.subject_id for change in found}


async def test_what_is_old_is_forgotten_and_numbers_go_on(store: SqlStore) -> None:
    for n in (1, 2):
        await _key(store, f"key_{n}")
    await store.keys.revoke(ACME, "key_1", AT_MS, None)
    assert 1 == await store.access_changes.forget(AT_MS + 1)
    await store.keys.revoke(ACME, "key_2", AT_MS, None)
    assert [AccessChange(2, "key", "key_2")] == await store.access_changes.after(0, 10)
