"""`hub.store.editing`: the last message of a session's user, said anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.core.errors import Conflict, Invalid, Limited, ModelUnavailable
from hub.core.governor import Budget, Limits
from hub.core.values import Run
from hub.ports import Edit, Edited, Reply
from hub.settings import Settings
from hub.store.opening import open_store
from hub.store.store import SqlStore
from tests.core.nouns import run as bare_run
from tests.support.parts import ACME, AT_MS, ELIZA, Posts, add_session, audit, member


def again(message_id: str, generation: int = 1) -> Run:
    return replace(
        bare_run(f"run_again_{generation}"), room_id="sess_1", trigger_message_id=message_id,
        thread_id=message_id, root_message_id=message_id, generation=generation,
        reply_message_id=f"reply_again_{generation}", caller_id="user_alice", created_ms=AT_MS,
    )  # fmt: skip


async def edit(store: SqlStore, message_id: str, generation: int = 1) -> Edited | None:
    new = Edit(message_id, "anew", again(message_id, generation), AT_MS + 5)
    return await store.sessions.edit_last(ACME, "sess_1", new)


async def answered(store: SqlStore, posts: Posts, content: str = "one") -> str:
    posted = await posts.send("sess_1", content, calls=(ELIZA,))
    await store.runs.claim(posted.runs[0].id, "w", 60_000)
    await store.runs.finish(posted.runs[0].id, 1, Reply("succeeded", "answer", AT_MS))
    return posted.message_id


async def test_what_was_answered_goes_and_it_is_asked_again(store: SqlStore) -> None:
    await add_session(store)
    message_id = await answered(store, Posts(store))
    edited = await edit(store, message_id)
    assert edited is not None
    assert ("anew", AT_MS + 5) == (edited.message.content, edited.message.edited_ms)
    assert edited.run is not None
    assert ["message.updated", "message.deleted", "run.queued"] == [
        entry.type for entry, _ in edited.entries
    ]
    kept = await store.messages.page("sess_1", limit=9, deleted=False)
    assert ["anew"] == [m.content for m in kept]
    session = await store.sessions.get(ACME, "sess_1")
    assert session is not None
    assert 1 == session.message_count
    claimed = await store.runs.claim(edited.run.id, "w", 60_000)
    assert claimed is not None


async def test_only_the_last_thing_the_user_said_is_edited(store: SqlStore) -> None:
    await add_session(store)
    posts = Posts(store)
    first, last = await answered(store, posts), await answered(store, posts, "two")
    with pytest.raises(Invalid) as caught:
        await edit(store, first)
    assert "message_id" == caught.value.details[0].field
    replies = [m.id for m in await store.messages.page("sess_1", limit=9) if m.author.id == ELIZA]
    assert await edit(store, replies[-1]) is None
    assert await edit(store, "msg_nowhere") is None
    assert await edit(store, last) is not None


async def test_nothing_is_edited_while_a_reply_is_written(store: SqlStore) -> None:
    await add_session(store)
    posted = await Posts(store).send("sess_1", calls=(ELIZA,))
    with pytest.raises(Conflict) as caught:
        await edit(store, posted.message_id)
    assert "SESSION_BUSY" == caught.value.code


async def test_a_person_who_answers_reads_the_edit_and_no_model_does(store: SqlStore) -> None:
    await add_session(store)
    message_id = await answered(store, Posts(store))
    await store.sessions.take_over(ACME, "sess_1", member("user_bob"), {}, audit("sess_1"))
    edited = await edit(store, message_id)
    assert edited is not None
    assert edited.run is None
    assert [] == await store.runs.open_in("sess_1")


async def test_an_edit_costs_what_a_run_costs(settings: Settings) -> None:
    limits = Limits(budget=Budget(runs=1))
    async with open_store(settings.database, limits) as store:
        await add_session(store)
        message_id = await answered(store, Posts(store))
        with pytest.raises(Limited) as caught:
            await edit(store, message_id)
        assert "BUDGET_EXCEEDED" == caught.value.code
        found = await store.messages.get(ACME, "sess_1", message_id)
        assert found is not None
        assert "one" == found.content


async def test_no_answer_is_deleted_for_one_that_cannot_come(store: SqlStore) -> None:
    await add_session(store)
    message_id = await answered(store, Posts(store))
    await store.participants.disable(ACME, ELIZA, AT_MS, None)
    with pytest.raises(ModelUnavailable, match="out of use"):
        await edit(store, message_id)
    kept = await store.messages.page("sess_1", limit=9, deleted=False)
    assert ["one", "answer"] == [m.content for m in kept]
    await store.sessions.escalate(ACME, "sess_1", None, audit("sess_1"))
    edited = await edit(store, message_id)
    assert edited is not None
    assert ("anew", None) == (edited.message.content, edited.run)
