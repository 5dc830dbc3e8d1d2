"""`hub.store.log`: entries in order, messages as they are now."""

from __future__ import annotations

from sqlalchemy import text

from hub.ports import Head
from hub.store.store import SqlStore
from tests.support.parts import ELIZA, Posts, add_room


async def test_the_log_shows_a_message_as_it_is_now(store: SqlStore) -> None:
    """A text that was deleted is never replayed, and its entry keeps its seq."""
    await add_room(store)
    posts = Posts(store)
    kept, deleted = await posts.send(content="kept"), await posts.send(content="secret")
    change = "UPDATE messages SET deleted_ms = 7, content = '' WHERE id = :id"
    await store.database.write(lambda c: c.execute(text(change), {"id": deleted.message_id}))
    shown = {
        entry.ref: message and (message.content, message.deleted_ms, entry.seq)
        for entry, message in await store.log.read("room_1", 0, 100)
        if entry.type == "message.created"
    }
    assert shown == {
        kept.message_id: ("kept", None, kept.seq),
        deleted.message_id: ("", 7, deleted.seq),
    }


async def test_what_a_post_publishes_is_what_the_log_shows(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    root = await posts.send()
    reply = await posts.send(calls=(ELIZA,), thread_id=root.message_id)
    read = await store.log.read("room_1", reply.seq - 1, 100)
    assert read == list(reply.rows)


async def test_the_log_is_read_in_pages_by_position(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    await store.posts.commit([await posts.new() for _ in range(25)])
    seqs: list[int] = []
    while page := await store.log.read("room_1", seqs[-1] if seqs else 0, 7):
        assert len(page) <= 7
        seqs += [entry.seq for entry, _ in page]
    head = (await store.log.heads(["room_1"]))["room_1"].head
    assert seqs == list(range(1, head + 1))
    assert await store.log.read("room_1", head, 7) == []


async def test_many_pages_are_read_each_from_its_own_place(store: SqlStore) -> None:
    rooms = ("room_1", "room_2", "room_3")
    posts = Posts(store)
    for room_id in rooms:
        await add_room(store, room_id)
        await store.posts.commit([await posts.new(room_id, f"{room_id} {n}") for n in range(6)])
    asked = [(room, after, limit) for room in rooms for after in (0, 5, 8, 99) for limit in (1, 4)]
    asked.append(("room_none", 0, 5))
    found = await store.log.pages(asked)
    assert {at: page for at in asked if (page := await store.log.read(*at))} == found
    seqs = {at: [entry.seq for entry, _ in page] for at, page in found.items()}
    assert all(seqs[room, 5, 4] == [6, 7, 8, 9] for room in rooms)
    assert all(seqs[room, 8, 4] == [9] for room in rooms)
    texts = [message.content for _, message in found["room_2", 5, 4] if message]
    assert texts == [f"room_2 {n}" for n in (2, 3, 4, 5)]


async def test_heads_leave_out_rooms_that_are_not_there(store: SqlStore) -> None:
    await add_room(store)
    found = await store.log.heads(["room_1", "room_none"])
    assert found == {"room_1": Head(3, "e1", 1)}
    assert await store.log.heads([]) == {}


async def test_every_room_gets_another_epoch(store: SqlStore) -> None:
    for room_id in ("room_1", "room_2"):
        await add_room(store, room_id)
    assert 2 == await store.log.renew_all("e2")
