"""`hub.store.participants`: one id space and one handle each, per tenant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.core.errors import Conflict
from hub.core.posts import RequestKey
from hub.core.values import ApiKey
from hub.ports import Page, Written
from hub.store.store import SqlStore
from tests.support.parts import ACME, AT_MS, DRIVER, RIVAL, add_room, audit, participant


async def test_an_id_and_a_handle_are_taken_once_in_a_tenant(store: SqlStore) -> None:
    new = participant("bot_new")
    await store.participants.create(new, None)
    with pytest.raises(Conflict, match="id bot_new is taken"):
        await store.participants.create(replace(new, handle="other"), None)
    with pytest.raises(Conflict, match="handle new is taken"):
        await store.participants.create(replace(new, id="bot_other"), None)
    await store.participants.create(replace(new, tenant_id=RIVAL), None)
    assert await store.participants.handles(ACME, ["new", "other", "alice"]) == {"new", "alice"}


async def test_a_refused_participant_leaves_its_key_free(store: SqlStore) -> None:
    key = RequestKey("s", "k", "d")
    with pytest.raises(Conflict):
        await store.participants.create(participant("user_alice"), key)
    assert await store.participants.create(participant("user_dora"), key) == Written()
    again = await store.participants.create(participant("user_dora"), key)
    assert again.earlier == "user_dora"


async def test_a_change_makes_the_rooms_it_concerns_be_read_again(store: SqlStore) -> None:
    """A member's name and driver are kept with the members: the version says that they changed."""
    concerned = await add_room(store, "room_1")
    other = await add_room(store, "room_2", ("user_alice",))
    changed = await store.participants.update(ACME, "user_bob", {"driver": DRIVER, "name": "B"})
    assert changed is not None
    assert (changed.name, changed.driver) == ("B", DRIVER)
    versions = []
    for each in (concerned, other):
        view = await store.rooms.view(ACME, each.id)
        assert view is not None
        versions.append(view.room.acl_version - each.acl_version)
    assert versions == [1, 0]


async def test_a_handle_of_somebody_else_is_refused_in_a_change(store: SqlStore) -> None:
    with pytest.raises(Conflict):
        await store.participants.update(ACME, "user_bob", {"handle": "alice"})
    assert await store.participants.update(ACME, "user_bob", {"handle": "bob"}) is not None


async def test_who_is_disabled_loses_every_key_in_the_same_transaction(store: SqlStore) -> None:
    for number, gone_ms in ((1, None), (2, AT_MS - 1), (3, None)):
        key = ApiKey(f"key_{number}", ACME, "user_bob", "k", "tenant_user", AT_MS, None, gone_ms)
        await store.keys.create(key, "digest", None, None)
    other = ApiKey("key_4", ACME, "user_carol", "k", "tenant_user", AT_MS, None, None)
    await store.keys.create(other, "digest", None, None)
    entry = audit("user_bob", "participant.disabled")
    found = await store.participants.disable(ACME, "user_bob", AT_MS, entry)
    assert found is not None
    assert AT_MS == found.disabled_ms
    revoked = {key.id: key.revoked_ms for key in await store.keys.page(ACME, None, Page(10))}
    assert {"key_1": AT_MS, "key_2": AT_MS - 1, "key_3": AT_MS, "key_4": None} == revoked
    told = [change.subject_id for change in await store.access_changes.after(0, 10)]
    assert ["key_1", "key_3", "jwt:acme:user_bob"] == told
    again = await store.participants.disable(ACME, "user_bob", AT_MS + 5, entry)
    assert found == again
    assert await store.participants.disable(RIVAL, "user_nobody", AT_MS, None) is None


async def test_disabled_participants_are_not_listed(store: SqlStore) -> None:
    await store.participants.update(ACME, "user_bob", {"disabled_ms": AT_MS})
    listed = [p.id for p in await store.participants.page(ACME, Page(100))]
    assert "user_alice" in listed
    assert "user_bob" not in listed
    rest = await store.participants.page(ACME, Page(2, after="user_admin"))
    assert [p.id for p in rest] == ["user_alice", "user_carol"]
