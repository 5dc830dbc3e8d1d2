"""`hub.store.promoting`: a session becomes a room."""

from __future__ import annotations

import pytest

from hub.core.errors import Conflict
from hub.core.values import Participant
from hub.ports import Changed, Promotion, Reply
from hub.store.store import SqlStore
from tests.support.parts import (
    ACME,
    AT_MS,
    DRIVER,
    ELIZA,
    Posts,
    add_session,
    audit,
    member,
    room,
)

PERSONA = Participant(ACME, "persona_ours", "persona", "ours", "Ours", DRIVER, AT_MS)


async def exchange(store: SqlStore, posts: Posts, content: str, answer: str) -> None:
    run = (await posts.send("sess_1", content, calls=(ELIZA,))).runs[0]
    await store.runs.claim(run.id, "w", 60_000)
    assert await store.runs.finish(run.id, 1, Reply("succeeded", answer, AT_MS))


async def promote(store: SqlStore, room_id: str = "room_1", *, own: bool = False) -> Changed:
    model_id = PERSONA.id if own else ELIZA
    model = member(ELIZA, engagement="thread")
    if own:
        model = type(model)(PERSONA.author(), "member", "thread", AT_MS, True)
    promotion = Promotion(
        room(room_id), (member("user_alice", "owner"), model, member("user_bob")), model_id,
        PERSONA if own else None,
    )  # fmt: skip
    changed = await store.sessions.promote(ACME, "sess_1", promotion, audit("sess_1"))
    assert changed is not None
    return changed


@pytest.mark.parametrize("own", [False, True])
async def test_the_room_has_the_same_history_as_one_thread(own: bool, store: SqlStore) -> None:
    await add_session(store)
    posts = Posts(store)
    await exchange(store, posts, "one", "re one")
    await exchange(store, posts, "two", "re two")
    before = await store.messages.page("sess_1", limit=10)
    log = await store.log.read("sess_1", 0, 100)
    changed = await promote(store, own=own)
    after = await store.messages.page("room_1", limit=10)
    assert [(m.id, m.seq, m.content) for m in before] == [(m.id, m.seq, m.content) for m in after]
    root = after[0]
    assert [root.id] * 3 == [m.thread_id for m in after[1:]]
    assert (None, 3) == (root.thread_id, root.reply_count)
    assert after == await store.messages.thread("room_1", root.id, 0, 10)
    model = PERSONA.id if own else ELIZA
    assert ["user_alice", model] * 2 == [m.author.id for m in after]
    moved = await store.log.read("room_1", 0, 100)
    assert [e.seq for e, _ in log] == [e.seq for e, _ in moved][: len(log)]
    assert list(range(1, len(moved) + 1)) == [e.seq for e, _ in moved]
    assert ("closed", "room_1") == (changed.session.status, changed.session.room_id)
    assert model == changed.session.participant_id


async def test_who_watches_the_session_is_told_where_it_went(store: SqlStore) -> None:
    await add_session(store)
    await Posts(store).send("sess_1")
    await promote(store)
    entries = await store.log.read("sess_1", 0, 10)
    assert ["room.updated", "room.archived"] == [e.type for e, _ in entries]
    assert "room_1" == (entries[-1][0].data or {})["promoted_to"]
    head = (await store.log.heads(["sess_1"]))["sess_1"]
    assert (entries[0][0].seq, entries[-1][0].seq) == (head.first_seq, head.head)


async def test_a_session_becomes_one_room_however_often_it_is_asked(store: SqlStore) -> None:
    await add_session(store)
    first = await promote(store)
    again = await promote(store, "room_2")
    assert (first.session, ()) == (again.session, again.entries)
    assert await store.rooms.view(ACME, "room_2") is None


async def test_a_session_does_not_move_while_a_reply_is_written(store: SqlStore) -> None:
    await add_session(store)
    await Posts(store).send("sess_1", calls=(ELIZA,))
    with pytest.raises(Conflict) as caught:
        await promote(store)
    assert "SESSION_BUSY" == caught.value.code
    assert await store.rooms.view(ACME, "room_1") is None


async def test_a_session_that_became_a_room_is_not_opened_again(store: SqlStore) -> None:
    await add_session(store)
    await promote(store)
    with pytest.raises(Conflict) as caught:
        await store.sessions.update(ACME, "sess_1", {"status": "active"}, audit("sess_1"))
    assert "SESSION_CLOSED" == caught.value.code
    assert "room_1" in caught.value.message
