"""`hub.service.sessions`: one user, one model, history kept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from hub.core.errors import Conflict, Denied, Invalid, Missing, ModelUnavailable
from hub.core.ids import participant_type
from hub.core.posts import Posted
from hub.core.values import Actor, Session
from hub.parts import Parts
from hub.ports import Page
from hub.service.requests import request_key
from hub.service.sessions import model_participant_id
from hub.wire.bodies import validate
from hub.wire.requests import ChangeSession, CreateSession, Escalate, PostMessage, SendMessage
from tests.support.parts import ADMIN, ALICE, BOB, ELIZA, RIVAL, actor

SLUG = "builtin/echo"


async def new(parts: Parts, **fields: Any) -> Session:
    return await parts.sessions.create(ALICE, validate(CreateSession, {"model": SLUG} | fields))


def said(content: str, **fields: Any) -> SendMessage:
    return validate(SendMessage, {"content": content} | fields)


async def send(parts: Parts, who: Actor, session_id: str, body: SendMessage) -> Posted:
    session = await parts.sessions.writable(who, session_id)
    return await parts.sessions.post(who, session, body, None)


@pytest.mark.parametrize(
    "slug", ["builtin/echo", "a", "Ünï/çode", "x" * 128, "---", "A/b.c:d+e", "a/b", "a-b"]
)
def test_a_slug_becomes_a_participant_id(slug: str) -> None:
    assert participant_type(model_participant_id(slug)) == "persona"


def test_slugs_that_look_alike_are_different_participants() -> None:
    assert len({model_participant_id(slug) for slug in ("a/b", "a-b", "A/B", "a//b")}) == 4


async def test_a_session_has_its_user_and_its_model(parts: Parts) -> None:
    session = await new(parts, title="T", metadata={"a": 1})
    assert (session.owner, session.model, session.status, session.handling) == (
        "user_alice", SLUG, "active", "ai"
    )  # fmt: skip
    view = await parts.rooms.read(ALICE, session.id)
    assert {m.author.id: m.driven for m in view.members.values()} == {
        "user_alice": False,
        session.participant_id: True,
    }


async def test_an_unknown_model_is_named(parts: Parts) -> None:
    with pytest.raises(Invalid) as caught:
        await new(parts, model="no/such")
    assert caught.value.details[0].field == "model"


async def test_the_same_request_makes_one_session(parts: Parts) -> None:
    body = validate(CreateSession, {"model": SLUG})
    key = request_key(ALICE, "sessions", "k", body)
    first = await parts.sessions.create(ALICE, body, key)
    assert await parts.sessions.create(ALICE, body, key) == first


async def test_only_its_user_writes_and_admins_read(parts: Parts) -> None:
    session = await new(parts)
    posted = await send(parts, ALICE, session.id, said("hello"))
    assert len(posted.runs) == 1
    with pytest.raises(Denied):
        await send(parts, ADMIN, session.id, said("x"))
    _, history = await parts.sessions.messages(ADMIN, session.id, limit=100)
    assert [m.content for m in history] == ["hello"]
    for who in (BOB, actor("user_alice", RIVAL), actor("user_admin", RIVAL, "tenant_admin")):
        for asked in (
            parts.sessions.read(who, session.id),
            parts.sessions.messages(who, session.id, limit=100),
            send(parts, who, session.id, said("x")),
            parts.sessions.change(who, session.id, validate(ChangeSession, {"title": "x"})),
            parts.sessions.delete(who, session.id, hard=False),
        ):
            with pytest.raises(Missing) as caught:
                await asked
            assert caught.value.code == "SESSION_NOT_FOUND"


async def test_sampling_goes_with_the_run(parts: Parts) -> None:
    session = await new(parts)
    body = said("x", max_tokens=5, temperature=0, stop="END", stream=True)
    posted = await send(parts, ALICE, session.id, body)
    assert posted.runs[0].params == {"max_tokens": 5, "temperature": 0, "stop": ["END"]}


async def test_messages_come_in_order_and_in_pages(parts: Parts) -> None:
    session = await new(parts)
    for n in range(7):
        await send(parts, ALICE, session.id, said(str(n)))
    _, everything = await parts.sessions.messages(ALICE, session.id, limit=100)
    assert [m.content for m in everything] == list("0123456")
    _, newest = await parts.sessions.messages(ALICE, session.id, limit=2)
    assert [m.content for m in newest] == ["5", "6"]
    _, older = await parts.sessions.messages(ALICE, session.id, limit=2, before=newest[0].seq)
    assert [m.content for m in older] == ["3", "4"]


async def test_a_session_is_told_with_the_seq_up_to_which_it_reaches(parts: Parts) -> None:
    session = await new(parts)
    posted = await send(parts, ALICE, session.id, said("x"))
    told, until = await parts.sessions.whole(ALICE, session.id)
    assert (session.id, 1) == (told.id, told.message_count)
    assert (
        posted.message.seq
        <= until
        == (await parts.messages.log(ALICE, session.id, since=0, limit=100))[-1][0].seq
    )
    with pytest.raises(Missing):
        await parts.sessions.whole(BOB, session.id)


async def test_a_closed_session_takes_no_message_until_it_is_opened(parts: Parts) -> None:
    session = await new(parts)
    await parts.sessions.change(ALICE, session.id, validate(ChangeSession, {"status": "closed"}))
    with pytest.raises(Conflict) as caught:
        await send(parts, ALICE, session.id, said("x"))
    assert caught.value.code == "SESSION_CLOSED"
    await parts.sessions.change(ALICE, session.id, validate(ChangeSession, {"status": "active"}))
    await send(parts, ALICE, session.id, said("x"))


@pytest.mark.parametrize("field", ["metadata", "status"])
async def test_what_must_have_a_value_cannot_be_null(field: str, parts: Parts) -> None:
    session = await new(parts)
    with pytest.raises(Invalid) as caught:
        await parts.sessions.change(ALICE, session.id, validate(ChangeSession, {field: None}))
    assert caught.value.details[0].field == field


async def test_a_deleted_session_is_gone_for_its_user(parts: Parts) -> None:
    session = await new(parts)
    deleted = await parts.sessions.delete(ALICE, session.id, hard=False)
    assert deleted.deleted_ms is not None
    with pytest.raises(Missing):
        await parts.sessions.read(ALICE, session.id)
    with pytest.raises(Missing):
        await parts.sessions.delete(ALICE, session.id, hard=False)
    assert await parts.sessions.page(ALICE, whole_tenant=False, status=None, page=Page(9)) == []


async def test_a_deleted_session_is_gone_as_a_room_too(parts: Parts) -> None:
    session = await parts.sessions.create(ALICE, validate(CreateSession, {"model": "builtin/echo"}))
    posted = await parts.messages.post(
        ALICE, session.id, validate(PostMessage, {"content": "secret"})
    )
    await parts.sessions.delete(ALICE, session.id, hard=False)
    with pytest.raises(Missing):
        await parts.rooms.read(ALICE, session.id)
    with pytest.raises(Missing):
        await parts.messages.get(ALICE, session.id, posted.message_id)


async def test_erasing_is_for_admins_and_leaves_its_trail(parts: Parts) -> None:
    session = await new(parts)
    await send(parts, ALICE, session.id, said("secret words"))
    with pytest.raises(Denied):
        await parts.sessions.delete(ALICE, session.id, hard=True)
    await parts.sessions.delete(ALICE, session.id, hard=False)
    await parts.sessions.delete(ADMIN, session.id, hard=True)
    with pytest.raises(Missing):
        await parts.sessions.delete(ADMIN, session.id, hard=True)
    trail = "SELECT actor_id, action, detail FROM audit_log ORDER BY id"
    found = await parts.store.database.read(lambda c: [tuple(r) for r in c.execute(text(trail))])
    assert [row[:2] for row in found] == [
        ("user_alice", "session.deleted"), ("user_admin", "session.erased")
    ]  # fmt: skip
    assert "secret" not in repr(found)


async def test_who_sees_which_sessions(parts: Parts) -> None:
    session = await new(parts)
    listed = await parts.sessions.page(ADMIN, whole_tenant=True, status="active", page=Page(9))
    assert [s.id for s in listed] == [session.id]
    assert await parts.sessions.page(ADMIN, whole_tenant=False, status=None, page=Page(9)) == []
    with pytest.raises(Denied):
        await parts.sessions.page(ALICE, whole_tenant=True, status=None, page=Page(9))


async def test_nothing_more_is_written_for_a_deleted_session(parts: Parts) -> None:
    session = await new(parts)
    written = (await send(parts, ALICE, session.id, said("first"))).runs[0]
    waiting = (await send(parts, ALICE, session.id, said("second"))).runs[0]
    await parts.store.runs.claim(written.id, "w", 60_000)
    await parts.sessions.delete(ALICE, session.id, hard=False)
    found = [await parts.store.runs.get(session.tenant_id, run.id) for run in (waiting, written)]
    assert ["cancelled", "running"] == [run and run.state for run in found]
    assert ["user_alice"] * 2 == [run and run.cancelled_by for run in found]


async def test_where_nobody_would_answer_nothing_is_taken(parts: Parts) -> None:
    session = await new(parts, model=ELIZA)
    await parts.participants.disable(ADMIN, ELIZA)
    with pytest.raises(ModelUnavailable, match=f"{ELIZA} is out of use"):
        await send(parts, ALICE, session.id, said("hello"))
    assert 0 == (await parts.sessions.read(ALICE, session.id)).message_count
    await parts.handling.escalate(ALICE, session.id, validate(Escalate, {}))
    await send(parts, ALICE, session.id, said("is anybody there?"))
    await parts.handling.take_over(ADMIN, session.id)
    await send(parts, ADMIN, session.id, said("I am."))
    assert 2 == (await parts.sessions.read(ALICE, session.id)).message_count


async def test_a_retry_gets_what_was_stored_though_nobody_would_answer_now(parts: Parts) -> None:
    session, body = await new(parts, model=ELIZA), said("hello")
    key = request_key(ALICE, f"send/{session.id}", "once", body)
    first = await parts.sessions.post(ALICE, session, body, key)
    await parts.participants.disable(ADMIN, ELIZA)
    await parts.views.fresh(ALICE, session.id)
    again = await parts.sessions.post(ALICE, session, body, key)
    assert (True, first.message_id) == (again.replayed, again.message_id)
    with pytest.raises(Conflict) as caught:
        other = said("hello?")
        reused = request_key(ALICE, f"send/{session.id}", "once", other)
        await parts.sessions.post(ALICE, session, other, reused)
    assert "IDEMPOTENCY_CONFLICT" == caught.value.code
    assert 1 == (await parts.sessions.read(ALICE, session.id)).message_count
