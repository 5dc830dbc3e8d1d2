"""`hub.store.messages`: pages of a room, in both directions."""

from __future__ import annotations

from hub.store.store import SqlStore
from tests.support.parts import Posts, add_room


async def test_pages_go_forward_and_backward_without_a_gap(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    sent = await store.posts.commit([await posts.new(content=str(n)) for n in range(23)])
    seqs = [o.seq for o in sent if hasattr(o, "seq")]

    forward: list[int] = []
    while page := await store.messages.page("room_1", limit=5, after=(forward or [0])[-1]):
        forward += [m.seq for m in page]
    backward: list[int] = []
    while page := await store.messages.page("room_1", limit=5, before=(backward or [10**9])[0]):
        backward = [m.seq for m in page] + backward
    assert forward == backward == seqs

    newest = await store.messages.page("room_1", limit=3)
    assert [m.seq for m in newest] == seqs[-3:]


async def test_a_thread_is_its_root_and_its_replies_rising(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    root, other = await posts.send(), await posts.send()
    replies = [await posts.send(thread_id=root.message_id) for _ in range(3)]
    await posts.send(thread_id=other.message_id)
    thread = await store.messages.thread("room_1", root.message_id, 0, 100)
    assert [m.id for m in thread] == [root.message_id, *(r.message_id for r in replies)]
    rest = await store.messages.thread("room_1", root.message_id, replies[0].seq, 1)
    assert [m.id for m in rest] == [replies[1].message_id]


async def test_the_end_of_a_thread_is_its_root_and_the_newest_of_its_replies(
    store: SqlStore,
) -> None:
    await add_room(store)
    posts = Posts(store)
    root = await posts.send()
    replies = [await posts.send(thread_id=root.message_id) for _ in range(5)]
    for limit, expected in ((100, replies), (6, replies), (3, replies[-2:]), (1, [])):
        found = await store.messages.thread_end("room_1", root.message_id, limit)
        assert [m.id for m in found] == [root.message_id, *(r.message_id for r in expected)]
    assert [] == await store.messages.thread_end("room_2", root.message_id, 9)


async def test_the_newest_of_an_author_are_its_own_alone_and_rise(store: SqlStore) -> None:
    await add_room(store)
    await add_room(store, "room_2")
    posts = Posts(store)
    authors = ("user_alice", "user_bob", "user_bob", "user_alice", "user_bob")
    sent = [await posts.send(by=author) for author in authors]
    await posts.send("room_2", by="user_bob")
    bobs = [posted.message_id for posted in (sent[1], sent[2], sent[4])]
    for after, limit, expected in ((0, 9, bobs), (0, 2, bobs[1:]), (sent[2].seq, 9, bobs[2:])):
        found = await store.messages.newest_of("room_1", "user_bob", after, limit)
        assert expected == [message.id for message in found]
