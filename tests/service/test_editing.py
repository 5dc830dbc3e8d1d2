"""`hub.service.editing`: who may change which message, and that nobody is asked again."""

from __future__ import annotations

import pytest

from hub.core.errors import Denied, HubError, Missing
from hub.core.values import Actor, Message
from hub.parts import Parts
from hub.ports import Page
from hub.wire.bodies import validate
from hub.wire.requests import MemberChange, PostMessage
from tests.support.parts import ADMIN, ALICE, BOB, CAROL, ELIZA, RIVAL, actor, add_room

EVERYBODY = ("user_alice", "user_bob", "user_carol", ELIZA)


async def say(parts: Parts, by: Actor, content: str = "first") -> str:
    await add_room(parts.store, people=EVERYBODY)
    body = validate(PostMessage, {"content": content})
    return (await parts.messages.post(by, "room_1", body)).message_id


async def now(parts: Parts, message_id: str) -> Message:
    found = await parts.store.messages.get("acme", None, message_id)
    assert found is not None
    return found


async def make(parts: Parts, who: str, role: str) -> None:
    await parts.rooms.change_member(ALICE, "room_1", who, validate(MemberChange, {"role": role}))


async def test_only_the_author_edits(parts: Parts) -> None:
    message_id = await say(parts, BOB)
    for other in (ALICE, CAROL, ADMIN):
        with pytest.raises(Denied):
            await parts.editing.edit(other, "room_1", message_id, "not mine")
    assert await parts.editing.edit(BOB, None, message_id, "second")
    assert "second" == (await now(parts, message_id)).content


async def test_the_author_and_who_manages_the_room_delete(parts: Parts) -> None:
    message_id = await say(parts, BOB)
    for other in (CAROL, ADMIN):
        with pytest.raises(Denied):
            await parts.editing.delete(other, "room_1", message_id)
    await make(parts, "user_carol", "admin")
    assert await parts.editing.delete(CAROL, "room_1", message_id)
    assert (await now(parts, message_id)).deleted_ms
    assert await parts.editing.delete(BOB, "room_1", message_id) is None


async def test_who_deletes_what_another_wrote_is_in_the_audit_log(parts: Parts) -> None:
    theirs = await say(parts, BOB)
    body = validate(PostMessage, {"content": "my own"})
    mine = (await parts.messages.post(ALICE, "room_1", body)).message_id
    for message_id in (theirs, mine):
        assert await parts.editing.delete(ALICE, "room_1", message_id)
        assert await parts.editing.delete(ALICE, "room_1", message_id) is None
    (record,) = await parts.store.audit.page("acme", Page(10))
    assert ("message.deleted", theirs, ALICE.id, "user_bob") == (
        record.action, record.object_id, record.actor_id, record.detail["author_id"],
    )  # fmt: skip


async def test_observers_neither_edit_nor_react_but_take_back_what_they_wrote(
    parts: Parts,
) -> None:
    message_id = await say(parts, BOB)
    await make(parts, "user_bob", "observer")
    with pytest.raises(Denied):
        await parts.editing.edit(BOB, "room_1", message_id, "second")
    with pytest.raises(Denied):
        await parts.editing.react(BOB, "room_1", message_id, "👍", present=True)
    assert await parts.editing.delete(BOB, "room_1", message_id)


async def test_who_left_changes_nothing_any_more(parts: Parts) -> None:
    message_id = await say(parts, BOB)
    await parts.rooms.remove_member(BOB, "room_1", "user_bob")
    for change in (
        parts.editing.edit(BOB, None, message_id, "second"),
        parts.editing.delete(BOB, None, message_id),
        parts.editing.react(BOB, None, message_id, "👍", present=True),
    ):
        with pytest.raises(Missing) as refused:
            await change
        assert "MESSAGE_NOT_FOUND" == refused.value.code


async def test_a_foreign_message_and_a_missing_one_read_the_same(parts: Parts) -> None:
    message_id = await say(parts, BOB)
    answers: list[HubError] = []
    for stranger in (actor("user_second"), actor("user_bob", RIVAL)):
        for wanted in (message_id, "msg_none"):
            with pytest.raises(Missing) as refused:
                await parts.editing.delete(stranger, None, wanted)
            answers.append(refused.value)
    assert 1 == len({str(answer.as_dict()) for answer in answers})


async def test_an_edit_asks_nobody_again(parts: Parts) -> None:
    message_id = await say(parts, ALICE, "@eliza, look")
    before = await parts.store.runs.of_message(message_id)
    assert 1 == len(before)
    assert await parts.editing.edit(ALICE, "room_1", message_id, "@eliza and @bob, look again")
    assert before == await parts.store.runs.of_message(message_id)
    assert [ELIZA] == [ref["id"] for ref in (await now(parts, message_id)).mention]
    kinds = [entry.type for entry, _ in await parts.store.log.read("room_1", 0, 100)]
    assert "message.updated" == kinds[-1]


async def test_a_change_goes_on_when_the_members_changed_meanwhile(parts: Parts) -> None:
    """What is kept of the room is old: the change is authorised again."""
    message_id = await say(parts, BOB)
    await parts.views.fresh(BOB, "room_1")
    await parts.store.rooms.remove_member("acme", "room_1", "user_carol", 1)
    assert await parts.editing.edit(BOB, "room_1", message_id, "second")
