"""`hub.store.changes`: a stored message and its log change together; what is deleted is gone."""

from __future__ import annotations

import pytest

from hub.core.errors import Conflict, Invalid, Missing
from hub.core.posts import Posted, StaleAccess
from hub.core.touches import EMOJI_MOST, Touch
from hub.core.values import Message
from hub.ports import AuditEntry
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, RIVAL, Posts, add_room, add_session

LATER_MS = AT_MS + 60_000


@pytest.fixture
async def posted(store: SqlStore) -> Posted:
    await add_room(store)
    return await Posts(store).send(content="first")


async def touch(store: SqlStore, message_id: str, by: str = "user_alice", **changes: str) -> Touch:
    view = await store.rooms.view(ACME, changes.get("room_id", "room_1"))
    assert view is not None
    at = {"tenant_id": ACME, "room_id": view.room.id} | changes
    return Touch(
        **at, acl_version=view.room.acl_version, message_id=message_id, by=by, at_ms=LATER_MS
    )


async def now(store: SqlStore, message_id: str) -> Message:
    found = await store.messages.get(ACME, None, message_id)
    assert found is not None
    return found


async def head(store: SqlStore) -> int:
    return (await store.log.heads(["room_1"]))["room_1"].head


async def test_an_edit_changes_the_text_and_is_in_the_log(store: SqlStore, posted: Posted) -> None:
    before = await head(store)
    written = await store.messages.edit(await touch(store, posted.message_id), "second")
    ((entry, message),) = written.entries
    assert ("message.updated", before + 1, posted.message_id) == (entry.type, entry.seq, entry.ref)
    assert message == await now(store, posted.message_id)
    assert ("second", LATER_MS, posted.seq) == (message.content, message.edited_ms, message.seq)
    assert await store.log.read("room_1", before, 10) == list(written.entries)


async def test_the_same_text_again_is_no_edit(store: SqlStore, posted: Posted) -> None:
    before = await head(store)
    assert not (await store.messages.edit(await touch(store, posted.message_id), "first")).entries
    assert before == await head(store)
    assert (await now(store, posted.message_id)).edited_ms is None


async def test_a_deleted_message_leaves_its_place_and_nothing_of_what_it_said(
    store: SqlStore, posted: Posted
) -> None:
    at = await touch(store, posted.message_id)
    await store.messages.react(at, "👍", present=True)
    ((entry, message),) = (await store.messages.delete(at)).entries
    assert message is not None
    assert ("message.deleted", "", LATER_MS, {}) == (
        entry.type, message.content, message.deleted_ms, message.reactions,
    )  # fmt: skip
    log = await store.log.read("room_1", 0, 100)
    assert "first" not in str(log)
    assert not (await store.messages.delete(at)).entries
    with pytest.raises(Missing):
        await store.messages.edit(at, "back again")
    with pytest.raises(Missing):
        await store.messages.react(at, "👍", present=True)


async def test_a_deleted_reply_counts_no_more(store: SqlStore, posted: Posted) -> None:
    posts = Posts(store)
    first = await posts.send(thread_id=posted.message_id, message_id="msg_reply_1")
    await posts.send(thread_id=posted.message_id, message_id="msg_reply_2")
    assert 2 == (await now(store, posted.message_id)).reply_count
    await store.messages.delete(await touch(store, first.message_id))
    assert 1 == (await now(store, posted.message_id)).reply_count


async def test_a_message_of_a_session_counts_no_more(store: SqlStore) -> None:
    await add_session(store)
    posted = await Posts(store).send("sess_1")
    await store.messages.delete(await touch(store, posted.message_id, room_id="sess_1"))
    session = await store.sessions.get(ACME, "sess_1")
    assert session is not None
    assert 0 == session.message_count


async def test_reactions_are_kept_by_emoji_and_person_each_once(
    store: SqlStore, posted: Posted
) -> None:
    alice, bob = [await touch(store, posted.message_id, by) for by in ("user_alice", "user_bob")]
    for at, emoji in [(bob, "👍"), (alice, "👍"), (alice, "🛑"), (alice, "👍")]:
        written = await store.messages.react(at, emoji, present=True)
    assert not written.entries
    assert {"👍": ("user_alice", "user_bob"), "🛑": ("user_alice",)} == (
        await now(store, posted.message_id)
    ).reactions
    ((entry, _),) = (await store.messages.react(alice, "👍", present=False)).entries
    about = {"message_id": posted.message_id, "emoji": "👍"}
    about |= {"participant": {"type": "user", "id": "user_alice"}}  # type: ignore[dict-item]
    assert ("reaction.removed", about) == (entry.type, entry.data)
    assert not (await store.messages.react(alice, "👍", present=False)).entries
    assert {"👍": ("user_bob",), "🛑": ("user_alice",)} == (
        await now(store, posted.message_id)
    ).reactions
    for listed in (
        await store.messages.page("room_1", limit=10),
        await store.messages.thread("room_1", posted.message_id, 0, 10),
        [message for _, message in await store.log.read("room_1", 0, 100) if message],
    ):
        assert {"👍": ("user_bob",), "🛑": ("user_alice",)} == listed[0].reactions


async def test_a_message_has_so_many_different_reactions(store: SqlStore, posted: Posted) -> None:
    at = await touch(store, posted.message_id)
    for n in range(EMOJI_MOST):
        await store.messages.react(at, f":{n}:", present=True)
    with pytest.raises(Invalid):
        await store.messages.react(at, ":more:", present=True)
    bob = await touch(store, posted.message_id, "user_bob")
    assert (await store.messages.react(bob, ":0:", present=True)).entries


async def test_who_was_authorised_on_other_members_is_authorised_again(
    store: SqlStore, posted: Posted
) -> None:
    at = await touch(store, posted.message_id)
    await store.rooms.remove_member(ACME, "room_1", "user_bob", LATER_MS)
    for change in (
        store.messages.edit(at, "second"),
        store.messages.delete(at),
        store.messages.react(at, "👍", present=True),
    ):
        with pytest.raises(StaleAccess):
            await change
    assert "first" == (await now(store, posted.message_id)).content


async def test_an_archived_room_and_a_closed_session_stay_as_they_are(
    store: SqlStore, posted: Posted
) -> None:
    await store.rooms.update(ACME, "room_1", {"archived_ms": LATER_MS}, ADMIN, LATER_MS)
    with pytest.raises(Conflict) as archived:
        await store.messages.edit(await touch(store, posted.message_id), "second")
    await add_session(store)
    audit = AuditEntry("audit_1", ADMIN, "session.changed", "sess_1", LATER_MS, {})
    said = await Posts(store).send("sess_1", message_id="msg_in_session")
    await store.sessions.update(ACME, "sess_1", {"status": "closed"}, audit)
    with pytest.raises(Conflict) as closed:
        await store.messages.delete(await touch(store, said.message_id, room_id="sess_1"))
    assert ("ROOM_ARCHIVED", "SESSION_CLOSED") == (archived.value.code, closed.value.code)


async def test_a_message_is_found_in_its_own_room_and_tenant_alone(
    store: SqlStore, posted: Posted
) -> None:
    await add_room(store, "room_2")
    assert await store.messages.get(RIVAL, None, posted.message_id) is None
    assert await store.messages.get(ACME, "room_2", posted.message_id) is None
    for elsewhere in (
        await touch(store, posted.message_id, room_id="room_2"),
        await touch(store, posted.message_id, tenant_id=RIVAL),
    ):
        with pytest.raises(Missing):
            await store.messages.edit(elsewhere, "second")
    assert "first" == (await now(store, posted.message_id)).content
