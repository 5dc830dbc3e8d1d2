"""`hub.store.keys`: digests, revocations by time, an audit record with each."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from hub.core.values import ApiKey
from hub.ports import AuditEntry, Page
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, RIVAL


def key(key_id: str, owner: str = "user_alice", tenant: str = ACME) -> ApiKey:
    return ApiKey(key_id, tenant, owner, "laptop", "tenant_user", AT_MS, None, None)


def audit(action: str) -> AuditEntry:
    return AuditEntry(f"audit_{action}", ADMIN, action, "key_1", AT_MS, {"role": "x"})


async def trail(store: SqlStore) -> list[Any]:
    statement = text("SELECT action FROM audit_log ORDER BY id")
    return await store.database.read(lambda c: list(c.execute(statement).scalars()))


async def test_a_key_is_found_with_its_digest_and_participant(store: SqlStore) -> None:
    await store.keys.create(key("key_1"), "digest", audit("key.created"), None)
    found = await store.keys.find("key_1")
    assert found is not None
    assert (found.key, found.digest, found.participant.id) == (key("key_1"), "digest", "user_alice")
    assert await store.keys.find("key_2") is None
    assert await trail(store) == ["key.created"]


async def test_what_a_key_may_do_is_kept_and_one_from_before_may_do_everything(
    store: SqlStore,
) -> None:
    await store.keys.create(replace(key("key_1"), scopes=("read",)), "digest", None, None)
    await store.keys.create(key("key_2"), "digest", None, None)
    before = text("UPDATE api_keys SET scopes = NULL WHERE id = 'key_2'")
    await store.database.write(lambda c: c.execute(before))
    found = await store.keys.find_all(["key_1", "key_2"])
    listed = await store.keys.page(ACME, "user_alice", Page(10))
    assert [("read",), ("read", "write")] == [each.scopes for each in listed]
    assert listed == [found[key_id].key for key_id in ("key_1", "key_2")]


async def test_a_key_without_its_audit_record_is_not_made(store: SqlStore) -> None:
    await store.keys.create(key("key_1"), "digest", audit("same"), None)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.keys.create(key("key_2"), "digest", audit("same"), None)
    assert await store.keys.find("key_2") is None


async def test_revoking_again_keeps_the_first_time(store: SqlStore) -> None:
    await store.keys.create(key("key_1"), "digest", None, None)
    await store.keys.revoke(ACME, "key_1", 10, audit("first"))
    again = await store.keys.revoke(ACME, "key_1", 20, audit("second"))
    assert again is not None
    assert again.revoked_ms == 10
    assert ["first"] == await trail(store)


async def test_revoking_what_is_not_there_records_nothing(store: SqlStore) -> None:
    assert await store.keys.revoke(ACME, "key_9", 10, audit("key.revoked")) is None
    assert await trail(store) == []


async def test_keys_are_listed_by_owner_in_pages(store: SqlStore) -> None:
    for n in range(4):
        await store.keys.create(
            key(f"key_{n}", "user_bob" if n % 2 else "user_alice"), "d", None, None
        )
    await store.keys.create(key("key_9", tenant=RIVAL), "d", None, None)
    everybody = await store.keys.page(ACME, None, Page(3))
    assert [k.id for k in everybody] == ["key_0", "key_1", "key_2"]
    bobs = await store.keys.page(ACME, "user_bob", Page(3, after="key_1"))
    assert [k.id for k in bobs] == ["key_3"]


async def last_used(store: SqlStore) -> dict[str, int | None]:
    return {each.id: each.last_used_ms for each in await store.keys.page(ACME, None, Page(9))}


async def test_of_two_times_at_which_a_key_was_used_the_later_stays(store: SqlStore) -> None:
    for n in range(3):
        await store.keys.create(key(f"key_{n}"), "d", None, None)
    assert {"key_0": None, "key_1": None, "key_2": None} == await last_used(store)
    await store.keys.used({"key_0": 20, "key_1": 20, "key_gone": 20})
    await store.keys.used({"key_1": 30, "key_0": 10})
    assert {"key_0": 20, "key_1": 30, "key_2": None} == await last_used(store)


async def test_gateways_that_write_the_same_keys_at_once_all_do(store: SqlStore) -> None:
    ids = [f"key_{n:02}" for n in range(40)]
    for key_id in ids:
        await store.keys.create(key(key_id), "d", None, None)
    orders = [ids, ids[::-1], ids[20:] + ids[:20]]
    await asyncio.gather(
        *(store.keys.used(dict.fromkeys(some, n)) for n, some in enumerate(orders * 5))
    )
    found = await store.keys.page(ACME, None, Page(99))
    assert {14} == {each.last_used_ms for each in found}
