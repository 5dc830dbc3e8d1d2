"""`hub.service.handling`: people who answer in a model's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from hub.core.errors import Conflict, Denied, Missing
from hub.core.posts import Posted
from hub.core.values import Actor, ApiKey, Draft, Session
from hub.parts import Parts
from hub.wire.bodies import validate
from hub.wire.events import delta_frame
from hub.wire.frames import bodies
from hub.wire.packets import Packet, own_channel
from hub.wire.requests import CreateSession, Escalate, HandBack, SendMessage
from tests.support.parts import ACME, ADMIN, ALICE, AT_MS, BOB, RIVAL, actor

CHIEF = actor("user_bob", role="tenant_admin")
HELP, NOTHING = Escalate(message="help"), HandBack()


async def new(parts: Parts) -> Session:
    return await parts.sessions.create(ALICE, validate(CreateSession, {"model": "builtin/echo"}))


async def say(parts: Parts, who: Actor, session_id: str, content: str) -> Posted:
    session = await parts.sessions.writable(who, session_id)
    return await parts.sessions.post(who, session, SendMessage(content=content), None)


@asynccontextmanager
async def heard(parts: Parts, who: Actor) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """What comes on a participant's own channel."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def hear(_: str, packet: Packet | None) -> None:
        for body in bodies(packet.frames) if packet else ():
            events.put_nowait(orjson.loads(body))

    async with parts.bus.listen(hear) as listener:
        await listener.subscribe(own_channel(who.tenant_id, who.id))
        yield events


async def add_key(parts: Parts, who: Actor) -> None:
    key = ApiKey(f"key_{who.id}", who.tenant_id, who.id, "k", who.role, AT_MS, None, None)
    await parts.store.keys.create(key, "digest", None, None)


async def test_who_may_take_a_session_over(parts: Parts) -> None:
    session = await new(parts)
    for who, kind in ((ALICE, Denied), (BOB, Missing), (actor("user_bob", RIVAL), Missing)):
        for asked in (
            parts.handling.take_over(who, session.id),
            parts.handling.hand_back(who, session.id, NOTHING),
        ):
            with pytest.raises(kind):
                await asked
    taken = await parts.handling.take_over(ADMIN, session.id)
    assert ("human", "user_admin") == (taken.handling, taken.handler)


async def test_only_who_writes_in_a_session_asks_for_a_person(parts: Parts) -> None:
    session = await new(parts)
    with pytest.raises(Denied):
        await parts.handling.escalate(ADMIN, session.id, HELP)
    with pytest.raises(Missing):
        await parts.handling.escalate(BOB, session.id, HELP)
    assert "help" == (await parts.handling.escalate(ALICE, session.id, HELP)).waiting_for


async def test_the_model_is_silent_while_a_person_has_the_session(parts: Parts) -> None:
    session = await new(parts)
    assert 1 == len((await say(parts, ALICE, session.id, "one")).runs)
    await parts.handling.take_over(ADMIN, session.id)
    for who in (ALICE, ADMIN):
        assert () == (await say(parts, who, session.id, "two")).runs
    with pytest.raises(Denied):
        await say(parts, CHIEF, session.id, "three")
    with pytest.raises(Conflict) as caught:
        await parts.rewriting.regenerate(ALICE, session.id, {})
    assert "SESSION_TAKEN" == caught.value.code
    await parts.handling.hand_back(CHIEF, session.id, NOTHING)
    assert 1 == len((await say(parts, ALICE, session.id, "four")).runs)
    with pytest.raises(Denied):
        await say(parts, ADMIN, session.id, "five")


async def test_what_was_written_of_a_reply_is_kept(parts: Parts) -> None:
    session = await new(parts)
    run = (await say(parts, ALICE, session.id, "one")).runs[0]
    await parts.store.runs.claim(run.id, "w", 60_000)
    about = {"type": "persona", "id": session.participant_id}
    draft = Draft(run.id, run.reply_message_id, run.thread_id, about, 1, "half")
    frame = delta_frame(draft, session.id, 0, "half", AT_MS)
    assert await parts.bus.append_draft(session.id, draft, "half", frame)
    await parts.handling.take_over(ADMIN, session.id)
    _, said = await parts.sessions.messages(ALICE, session.id, limit=100)
    assert [("one", "final"), ("half", "cancelled")] == [(m.content, m.status) for m in said]


async def test_admins_hear_who_waits_and_who_waits_no_longer(parts: Parts) -> None:
    session = await new(parts)
    await add_key(parts, CHIEF)
    async with heard(parts, CHIEF) as events, asyncio.timeout(10):
        await parts.handling.escalate(ALICE, session.id, HELP)
        told = await events.get()
        assert ("queue", session.id, True) == (
            told["type"], told["room_id"], told["data"]["waiting"]
        )  # fmt: skip
        assert "help" == told["data"]["session"]["queue"]["message"]
        await parts.handling.take_over(ADMIN, session.id)
        assert (await events.get())["data"]["waiting"] is False


async def test_who_is_an_admin_is_a_matter_of_valid_keys(parts: Parts) -> None:
    await add_key(parts, CHIEF)
    await add_key(parts, ALICE)
    over = ApiKey("key_over", ACME, "user_carol", "k", "tenant_admin", AT_MS, AT_MS + 9, None)
    await parts.store.keys.create(over, "digest", None, None)
    assert ["user_bob", "user_carol"] == await parts.store.keys.admins(ACME, AT_MS)
    assert ["user_bob"] == await parts.store.keys.admins(ACME, AT_MS + 9)
    assert [] == await parts.store.keys.admins(RIVAL, AT_MS)
    await parts.store.keys.revoke(ACME, "key_user_bob", AT_MS, None)
    assert [] == await parts.store.keys.admins(ACME, AT_MS + 9)
