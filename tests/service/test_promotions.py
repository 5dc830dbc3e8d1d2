"""`hub.service.promotions`: sessions that become rooms, with new people in them."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.errors import Conflict, Invalid, Missing
from hub.core.values import RoomView, Session
from hub.parts import Parts
from hub.ports import Reply
from hub.wire.bodies import validate
from hub.wire.requests import CreateSession, PromoteSession, SendMessage
from tests.support.parts import ACME, ADMIN, ALICE, AT_MS, BOB

BARE = PromoteSession()


async def told(parts: Parts, **fields: Any) -> Session:
    """A session with one exchange."""
    body = validate(CreateSession, {"model": "builtin/echo"} | fields)
    session = await parts.sessions.create(ALICE, body)
    posted = await parts.sessions.post(ALICE, session, SendMessage(content="hello"), None)
    await parts.store.runs.claim(posted.runs[0].id, "w", 60_000)
    await parts.store.runs.finish(posted.runs[0].id, 1, Reply("succeeded", "hello", AT_MS))
    return session


async def promoted(parts: Parts, session: Session, body: PromoteSession = BARE) -> RoomView:
    room_id, new = await parts.promotions.promote(ALICE, session.id, body)
    assert new
    return await parts.rooms.read(ALICE, room_id)


async def test_new_people_come_in_and_the_old_ones_stay(parts: Parts) -> None:
    session = await told(parts, title="Plan")
    people = [{"type": "user", "id": each} for each in ("user_bob", "user_alice")]
    body = validate(PromoteSession, {"initial_members": people})
    view = await promoted(parts, session, body)
    assert ("Plan", "room", True) == (view.room.name, view.room.kind, view.room.private)
    assert {
        "user_alice": ("owner", "mention"),
        "user_bob": ("member", "mention"),
        session.participant_id: ("member", "thread"),
    } == {m.author.id: (m.role, m.engagement) for m in view.members.values()}
    said = await parts.messages.page(BOB, view.room.id, limit=9, before=None, after=None)
    assert ["hello", "hello"] == [m.content for m in said]


async def test_an_unknown_guest_is_named_and_nothing_moves(parts: Parts) -> None:
    session = await told(parts)
    body = validate(PromoteSession, {"initial_members": [{"type": "user", "id": "user_no"}]})
    with pytest.raises(Invalid) as caught:
        await parts.promotions.promote(ALICE, session.id, body)
    assert "initial_members[0].id" == caught.value.details[0].field
    assert (await parts.sessions.read(ALICE, session.id)).promoted is None


async def test_a_system_prompt_goes_along_in_a_persona_of_its_own(parts: Parts) -> None:
    session = await told(parts, system_prompt="Be brief.")
    view = await promoted(parts, session)
    (persona,) = [m.author for m in view.members.values() if m.author.is_ai]
    assert persona.id != session.participant_id
    found = await parts.store.participants.get(ACME, persona.id)
    assert found is not None
    assert {"kind": "model", "model": "builtin/echo", "system_prompt": "Be brief."} == found.driver


async def test_the_old_id_still_shows_what_was_said_then(parts: Parts) -> None:
    session = await told(parts)
    view = await promoted(parts, session)
    room_id = view.room.id
    posted = await parts.messages.log(ALICE, room_id, since=0, limit=1)
    assert posted
    again, new = await parts.promotions.promote(ALICE, session.id, BARE)
    assert (room_id, False) == (again, new)
    after, said = await parts.sessions.messages(ALICE, session.id, limit=100)
    assert ("closed", room_id) == (after.status, after.room_id)
    assert ["hello", "hello"] == [m.content for m in said]
    _, last = await parts.sessions.messages(ALICE, session.id, limit=1)
    assert said[-1:] == last
    with pytest.raises(Conflict) as caught:
        await parts.sessions.writable(ALICE, session.id)
    assert "SESSION_CLOSED" == caught.value.code
    assert room_id in caught.value.message


async def test_who_may_make_it_a_room(parts: Parts) -> None:
    session = await told(parts)
    with pytest.raises(Missing):
        await parts.promotions.promote(BOB, session.id, BARE)
    room_id, _ = await parts.promotions.promote(ADMIN, session.id, BARE)
    view = await parts.rooms.read(ALICE, room_id)
    assert ("owner", "admin") == (view.members["user_alice"].role, view.members["user_admin"].role)
