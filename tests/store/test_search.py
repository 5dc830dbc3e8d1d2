"""`hub.store.search`: what is found is what may be read, as it is now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.core.touches import Touch
from hub.ports import AuditEntry, Search
from hub.store.search import SqlSearch
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, RIVAL, Posts, add_room, add_session

BOBS = Search(ACME, "user_bob", ("fox",), 50)


@pytest.fixture
async def posts(store: SqlStore) -> Posts:
    await add_room(store)
    return Posts(store)


async def found(store: SqlStore, *words: str, **narrowed: Any) -> list[str]:
    search = replace(BOBS, words=words or BOBS.words, **narrowed)
    return [message.id for message in await store.search.find(search)]


async def test_all_words_must_occur_whatever_their_case_newest_first(
    store: SqlStore, posts: Posts
) -> None:
    for text in ("The quick brown Fox", "a FOX sleeps", "no such animal", "Ümläut 100% _x_"):
        await posts.send(content=text)
    assert ["msg_00002", "msg_00001"] == await found(store, "fox")
    assert ["msg_00001"] == await found(store, "FOX", "quick")
    assert ["msg_00001"] == await found(store, "brown fox")
    assert [] == await found(store, "fox brown")
    assert ["msg_00004"] == await found(store, "Ümläut")
    assert ["msg_00004"] == await found(store, "100%")
    assert ["msg_00004"] == await found(store, "_X_")
    assert [] == await found(store, "1%0")


async def test_only_rooms_one_is_in_are_searched(store: SqlStore, posts: Posts) -> None:
    await add_room(store, "room_2", people=("user_alice",))
    await add_session(store, "sess_1", owner="user_bob")
    await add_session(store, "sess_2", owner="user_alice")
    rival = Posts(store, RIVAL)
    await add_room(store, "room_9", people=("user_bob",), tenant=RIVAL)
    await rival.send("room_9", "fox", by="user_bob", message_id="msg_rival")
    for room_id in ("room_1", "room_2", "sess_1", "sess_2"):
        await posts.send(room_id, "fox", message_id=f"msg_{room_id}")
    assert ["msg_sess_1", "msg_room_1"] == await found(store)
    assert ["msg_room_2"] == await found(store, room_id="room_2")
    assert [] == await found(store, room_id="room_9")


async def test_what_was_deleted_or_edited_is_found_as_it_is(store: SqlStore, posts: Posts) -> None:
    deleted, edited = await posts.send(content="fox"), await posts.send(content="fox")
    view = await store.rooms.view(ACME, "room_1")
    assert view is not None
    at = Touch(ACME, "room_1", view.room.acl_version, deleted.message_id, "user_alice", AT_MS)
    await store.messages.delete(at)
    await store.messages.edit(replace(at, message_id=edited.message_id), "hen")
    assert ([], [edited.message_id]) == (await found(store, "fox"), await found(store, "hen"))


async def test_a_deleted_session_is_not_searched(store: SqlStore) -> None:
    await add_session(store, "sess_1", owner="user_bob")
    await Posts(store).send("sess_1", "fox", by="user_bob")
    assert 1 == len(await found(store))
    audit = AuditEntry("audit_1", ADMIN, "session.deleted", "sess_1", AT_MS, {})
    await store.sessions.delete(ACME, "sess_1", audit)
    assert [] == await found(store)
    assert [] == await found(store, room_id="sess_1")


async def test_it_is_narrowed_by_author_time_and_page(store: SqlStore, posts: Posts) -> None:
    for n, by in enumerate(["user_alice", "user_bob", "user_alice", "user_bob"]):
        await posts.send(content="fox", by=by, at_ms=AT_MS + n * 1_000)
    ids = [f"msg_{n:05}" for n in (4, 3, 2, 1)]
    assert ids[::2] == await found(store, author_id="user_bob")
    assert ids[2:] == await found(store, before_ms=AT_MS + 2_000)
    assert ids[:1] == await found(store, after_ms=AT_MS + 2_000)
    assert ids[:2] == await found(store, limit=2)
    assert ids[2:] == await found(store, below_id=ids[1])


async def test_what_is_found_does_not_depend_on_how_much_is_new(
    store: SqlStore, posts: Posts
) -> None:
    for n in range(6):
        await posts.send(content="fox" if n % 3 else "hen", at_ms=AT_MS + n)
    every = ["msg_00006", "msg_00005", "msg_00003", "msg_00002"]
    for newest in range(1, 8):
        searched = SqlSearch(store.database, newest)
        for limit in (1, 3, 10):
            page = await searched.find(replace(BOBS, limit=limit))
            assert every[:limit] == [message.id for message in page], (newest, limit)
        rest = await searched.find(replace(BOBS, below_id="msg_00005"))
        assert every[2:] == [message.id for message in rest], newest
