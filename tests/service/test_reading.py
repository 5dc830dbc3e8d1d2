"""`hub.service.reading`: one's own place in a room."""

from __future__ import annotations

import pytest

from hub.core.errors import Denied, Invalid, Missing
from hub.parts import Parts
from hub.wire.bodies import validate
from hub.wire.requests import PostMessage
from tests.support.parts import ALICE, BOB, CAROL, Posts, actor, add_room


async def test_what_was_read_is_told_with_what_is_left(parts: Parts) -> None:
    await add_room(parts.store)
    names_bob = {"content": "see", "mention": [{"type": "user", "id": "user_bob"}]}
    seqs = [
        (await parts.messages.post(ALICE, "room_1", validate(PostMessage, names_bob))).seq
        for _ in range(3)
    ]
    told = await parts.reading.mark(BOB, "room_1", seqs[0])
    expected = {
        "room_id": "room_1", "thread_id": None, "seq": seqs[0], "read_seq": seqs[0], "unread": 2,
        "mentions": 2,
    }  # fmt: skip
    assert expected == told


async def test_a_thread_is_named_by_any_of_its_messages(parts: Parts) -> None:
    await add_room(parts.store)
    posts = Posts(parts.store)
    root = await posts.send()
    reply = await posts.send(thread_id=root.message_id)
    told = await parts.reading.mark(BOB, "room_1", reply.seq, reply.message_id)
    assert (root.message_id, None, 0) == (told["thread_id"], told["read_seq"], told["unread"])


async def test_a_place_beyond_the_log_or_in_no_thread_is_refused(parts: Parts) -> None:
    room = await add_room(parts.store)
    with pytest.raises(Invalid) as beyond:
        await parts.reading.mark(BOB, "room_1", room.head + 1)
    assert "seq" == beyond.value.details[0].field
    with pytest.raises(Missing):
        await parts.reading.mark(BOB, "room_1", 1, "msg_none")


async def test_only_members_keep_a_place(parts: Parts) -> None:
    await add_room(parts.store, private=False)
    with pytest.raises(Denied):
        await parts.reading.mark(CAROL, "room_1", 1)
    await add_room(parts.store, "room_2")
    with pytest.raises(Missing):
        await parts.reading.mark(actor("user_carol"), "room_2", 1)
