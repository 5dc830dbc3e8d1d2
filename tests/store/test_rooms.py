"""`hub.store.rooms`: rooms, members, and the version that says that they changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hub.core.errors import Conflict
from hub.core.posts import RequestKey
from hub.core.times import rfc3339
from hub.core.values import Member, RoomView
from hub.ports import Page, Written
from hub.store.store import SqlStore
from tests.support.parts import (
    ACME,
    ADMIN,
    ALICE,
    AT_MS,
    ELIZA,
    RIVAL,
    add_room,
    author,
    member,
    room,
)


def seen(written: Written) -> list[tuple[int, str, str]]:
    return [(entry.seq, entry.type, entry.ref) for entry, _ in written.entries]


async def view_of(store: SqlStore, room_id: str = "room_1") -> RoomView:
    view = await store.rooms.view(ACME, room_id)
    assert view is not None
    return view


async def test_a_new_room_begins_its_log_with_its_members(store: SqlStore) -> None:
    first = [member("user_alice", "owner"), member(ELIZA)]
    written = await store.rooms.create(room(), first, None)
    assert seen(written) == [(1, "member.joined", "user_alice"), (2, "member.joined", ELIZA)]
    view = await view_of(store)
    assert (view.room.head, view.room.acl_version) == (2, 1)
    assert {m.author.id: (m.role, m.driven) for m in view.members.values()} == {
        "user_alice": ("owner", False),
        ELIZA: ("member", True),
    }


async def test_the_same_request_makes_one_room(store: SqlStore) -> None:
    owner, key = [member("user_alice", "owner")], RequestKey("scope", "k", "digest")
    await store.rooms.create(room(), owner, key)
    again = await store.rooms.create(room("room_2"), owner, key)
    assert again == Written(earlier="room_1")
    assert await store.rooms.view(ACME, "room_2") is None
    with pytest.raises(Conflict) as caught:
        await store.rooms.create(room("room_3"), owner, RequestKey("scope", "k", "other"))
    assert caught.value.code == "IDEMPOTENCY_CONFLICT"
    assert await store.rooms.view(ACME, "room_3") is None


async def test_two_of_one_request_at_once_make_one_room(store: SqlStore) -> None:
    owner, key = [member("user_alice", "owner")], RequestKey("scope", "k", "digest")
    made = await asyncio.gather(
        *(store.rooms.create(room(f"room_{n}"), owner, key) for n in range(8))
    )
    (first,) = [n for n, written in enumerate(made) if written.earlier is None]
    assert {w.earlier for n, w in enumerate(made) if n != first} == {f"room_{first}"}


async def test_every_change_of_members_raises_the_version(store: SqlStore) -> None:
    await add_room(store)
    versions = [(await view_of(store)).room.acl_version]
    for change in (
        store.rooms.add_members(ACME, "room_1", [member("user_carol")]),
        store.rooms.set_member(ACME, "room_1", member("user_carol", "observer"), AT_MS),
        store.rooms.remove_member(ACME, "room_1", "user_carol", AT_MS),
        store.rooms.update(ACME, "room_1", {"archived_ms": AT_MS}, ADMIN, AT_MS),
        store.rooms.update(ACME, "room_1", {"archived_ms": None}, ADMIN, AT_MS),
    ):
        written = await change
        assert len(written.entries) == 1
        versions.append((await view_of(store)).room.acl_version)
    assert versions == list(range(versions[0], versions[0] + 6))


async def test_a_member_who_was_changed_has_been_there_since_it_joined(store: SqlStore) -> None:
    await add_room(store)
    joined = (await view_of(store)).members["user_bob"].joined_ms
    changed = replace(member("user_bob", "observer"), joined_ms=joined + 1)
    written = await store.rooms.set_member(ACME, "room_1", changed, joined + 60_000)
    ((entry, _),) = written.entries
    told = entry.data or {}
    assert (joined + 60_000, "observer", rfc3339(joined)) == (
        entry.at_ms, told["role"], told["joined_at"],
    )  # fmt: skip


async def test_what_changes_nothing_says_and_raises_nothing(store: SqlStore) -> None:
    await add_room(store)
    before = await view_of(store)
    for change in (
        store.rooms.add_members(ACME, "room_1", [member("user_bob", "admin")]),
        store.rooms.set_member(ACME, "room_1", member("user_carol"), AT_MS),
        store.rooms.remove_member(ACME, "room_1", "user_carol", AT_MS),
    ):
        assert await change == Written()
    assert await view_of(store) == before


async def test_members_are_left_out_while_the_version_stands(store: SqlStore) -> None:
    made = await add_room(store)
    known = await store.rooms.view(ACME, "room_1", made.acl_version)
    assert known == RoomView(made, {})
    older = await store.rooms.view(ACME, "room_1", made.acl_version - 1)
    assert older is not None
    assert len(older.members) == 3


async def test_many_rooms_are_seen_at_once_each_with_its_own_members(store: SqlStore) -> None:
    people = {
        "room_1": ["user_carol", "user_alice", ELIZA],
        "room_2": ["user_bob"],
        "room_3": ["user_alice", "bot_own"],
    }
    made = {room_id: await add_room(store, room_id, them) for room_id, them in people.items()}
    known = {(ACME, room_id): -1 for room_id in people}
    known[ACME, "room_3"] = made["room_3"].acl_version
    found = await store.rooms.views({**known, (RIVAL, "room_1"): -1, (ACME, "room_none"): -1})
    assert found.keys() == known.keys()
    there = {room_id: view.members for (_, room_id), view in found.items()}
    assert {room_id: set(members) for room_id, members in there.items()} == {
        "room_1": set(people["room_1"]), "room_2": {"user_bob"}, "room_3": set()
    }  # fmt: skip
    assert there["room_1"][ELIZA] == Member(author(ELIZA), "member", "mention", AT_MS, driven=True)
    assert not there["room_2"]["user_bob"].driven


async def test_an_update_is_an_event_that_says_who_did_it(store: SqlStore) -> None:
    await add_room(store)
    renamed = await store.rooms.update(ACME, "room_1", {"name": "New"}, ALICE, AT_MS)
    archived = await store.rooms.update(ACME, "room_1", {"archived_ms": AT_MS}, ALICE, AT_MS)
    ((first, _),), ((second, _),) = renamed.entries, archived.entries
    assert (first.type, second.type) == ("room.updated", "room.archived")
    assert first.data is not None
    assert (first.data["name"], first.data["by"]) == ("New", ALICE.author.ref())
    assert "head" not in first.data


async def test_rooms_are_listed_newest_first_in_pages(store: SqlStore) -> None:
    for n in range(5):
        await add_room(store, f"room_{n}", ("user_alice",) if n % 2 else ("user_bob",))
    await store.rooms.update(ACME, "room_4", {"archived_ms": AT_MS}, ADMIN, AT_MS)
    everything = await store.rooms.page(ACME, None, Page(10))
    assert [r.id for r in everything] == ["room_3", "room_2", "room_1", "room_0"]
    after = await store.rooms.page(ACME, None, Page(2, after="room_2"))
    assert [r.id for r in after] == ["room_1", "room_0"]
    mine = await store.rooms.page(ACME, "user_alice", Page(10))
    assert [r.id for r in mine] == ["room_3", "room_1"]


async def test_who_is_out_of_use_is_a_member_that_nothing_drives(store: SqlStore) -> None:
    await add_room(store)
    before = await view_of(store)
    assert [False] * 3 == [each.disabled for each in before.members.values()]
    await store.participants.disable(ACME, ELIZA, AT_MS, None)
    view = await view_of(store)
    assert view.room.acl_version > before.room.acl_version
    assert {"user_alice": (False, False), "user_bob": (False, False), ELIZA: (False, True)} == {
        each.author.id: (each.driven, each.disabled) for each in view.members.values()
    }
