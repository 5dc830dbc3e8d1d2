"""`hub.store.reading`: cursors that only rise, and what lies beyond them."""

from __future__ import annotations

import pytest

from hub.core.touches import Touch, Unread
from hub.store.reading import COUNTED
from hub.store.store import SqlStore
from tests.support.parts import ACME, AT_MS, RIVAL, Posts, add_room

ME, OTHER = "user_bob", "user_alice"


@pytest.fixture
async def posts(store: SqlStore) -> Posts:
    await add_room(store, people=(OTHER, ME))
    return Posts(store)


async def unread(store: SqlStore, room_id: str = "room_1") -> Unread:
    return (await store.reading.unread(ACME, ME, [room_id]))[room_id]


async def mark(store: SqlStore, seq: int, thread_id: str | None = None) -> bool:
    return await store.reading.mark(ACME, ME, "room_1", thread_id, seq)


async def test_what_others_wrote_since_one_joined_is_unread(store: SqlStore, posts: Posts) -> None:
    await posts.send(at_ms=AT_MS - 1)
    await posts.send(at_ms=AT_MS)
    await posts.send(by=ME)
    await posts.send()
    assert Unread(None, 2, 0) == await unread(store)


async def test_a_cursor_only_rises(store: SqlStore, posts: Posts) -> None:
    seqs = [(await posts.send()).seq for _ in range(4)]
    assert await mark(store, seqs[2])
    assert Unread(seqs[2], 1, 0) == await unread(store)
    assert not await mark(store, seqs[0])
    assert not await mark(store, seqs[2])
    assert Unread(seqs[2], 1, 0) == await unread(store)
    assert await mark(store, seqs[3])
    assert Unread(seqs[3], 0, 0) == await unread(store)


async def test_a_thread_may_be_read_further_than_its_room(store: SqlStore, posts: Posts) -> None:
    root = await posts.send()
    replies = [await posts.send(thread_id=root.message_id) for _ in range(3)]
    await posts.send()
    await mark(store, replies[1].seq, root.message_id)
    assert Unread(None, 2, 0) == await unread(store)
    await mark(store, replies[2].seq)
    assert Unread(replies[2].seq, 1, 0) == await unread(store)


async def test_unread_mentions_are_counted_by_whole_names(store: SqlStore, posts: Posts) -> None:
    for mentioned in ([ME], ["user_bobby"], [OTHER], [ME, OTHER]):
        new = await posts.new()
        refs = tuple({"type": "user", "id": each} for each in mentioned)
        await store.posts.commit([new._replace(mention=refs)])
    assert Unread(None, 4, 2) == await unread(store)


async def test_what_was_deleted_is_not_unread(store: SqlStore, posts: Posts) -> None:
    gone = await posts.send()
    await posts.send()
    view = await store.rooms.view(ACME, "room_1")
    assert view is not None
    at = Touch(ACME, "room_1", view.room.acl_version, gone.message_id, OTHER, AT_MS)
    await store.messages.delete(at)
    assert Unread(None, 1, 0) == await unread(store)


async def test_counting_ends_where_the_newest_entries_do(store: SqlStore, posts: Posts) -> None:
    await store.posts.commit([await posts.new() for _ in range(COUNTED + 20)])
    assert Unread(None, COUNTED, 0) == await unread(store)


async def test_only_ones_own_rooms_are_counted_and_in_ones_own_tenant(
    store: SqlStore, posts: Posts
) -> None:
    await posts.send()
    await add_room(store, "room_2", people=(OTHER,))
    await add_room(store, "room_3", people=(ME, OTHER))
    found = await store.reading.unread(ACME, ME, ["room_1", "room_2", "room_3", "room_none"])
    assert {"room_1": Unread(None, 1, 0), "room_3": Unread(None, 0, 0)} == found
    assert {} == await store.reading.unread(RIVAL, ME, ["room_1"])
    assert {} == await store.reading.unread(ACME, ME, [])
