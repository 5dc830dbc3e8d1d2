"""`typing`: a signal to the room, not too often, from those who may post."""

from __future__ import annotations

import asyncio
import json

import pytest

from hub.core.values import Actor
from hub.wire.bodies import validate
from hub.wire.requests import MemberChange
from tests.support.parts import ALICE, BOB, add_room

from .fakes import Event
from .houses import Here, Pair, pair

__all__ = ["pair"]


async def join(pair: Pair, actor: Actor, gateway: int = 0) -> Here:
    here = await pair.connect(actor, gateway)
    await ask(here, 1, "subscribe")
    return here


async def ask(here: Here, number: int, kind: str, **fields: str) -> Event:
    command = {"id": number, "type": kind, "room_id": "room_1"} | fields
    here.do(json.dumps(command))
    return await here.socket.reply_to(number)


@pytest.fixture
async def both(pair: Pair) -> tuple[Here, Here]:
    """Alice and Bob in one room, on two gateways."""
    await add_room(pair.parts.store)
    return await join(pair, ALICE, 0), await join(pair, BOB, 1)


async def test_the_others_see_who_types_and_where(both: tuple[Here, Here]) -> None:
    alice, bob = both
    assert (await ask(alice, 2, "typing", thread_id="msg_1"))["ok"]
    told = await bob.told("typing")
    assert ("room_1", {"type": "user", "id": "user_alice"}, "msg_1") == (
        told["room_id"], told["data"]["participant"], told["data"]["thread_id"],
    )  # fmt: skip


async def test_it_is_told_once_a_second_however_often_it_is_said(both: tuple[Here, Here]) -> None:
    alice, bob = both
    for number in range(2, 40):
        assert (await ask(alice, number, "typing"))["ok"]
    await ask(alice, 40, "typing", thread_id="msg_1")
    await bob.told("typing", 2)
    assert [None, "msg_1"] == [event["data"]["thread_id"] for event in bob.of("typing")]


async def test_an_observer_does_not_type(pair: Pair, both: tuple[Here, Here]) -> None:
    _, bob = both
    observer = validate(MemberChange, {"role": "observer"})
    await pair.parts.rooms.change_member(ALICE, "room_1", "user_bob", observer)
    pair.gateways[1].parts.views.forget("room_1")
    assert "AUTHZ_PERMISSION_DENIED" == (await ask(bob, 2, "typing"))["error"]["code"]


async def test_who_does_not_follow_the_room_does_not_type_in_it(pair: Pair) -> None:
    await add_room(pair.parts.store)
    alice = await pair.connect(ALICE)
    assert "ROOM_NOT_FOUND" == (await ask(alice, 1, "typing"))["error"]["code"]


async def test_who_posts_after_having_typed_does_not_wait_for_redis(
    pair: Pair, both: tuple[Here, Here]
) -> None:
    alice, answers = both[0], asyncio.Event()

    async def silent(*packets: object) -> tuple[str, ...]:
        await answers.wait()
        return ()

    pair.parts.bus.publish = silent  # type: ignore[method-assign, assignment]
    try:
        alice.do(json.dumps({"id": 2, "type": "typing", "room_id": "room_1"}))
        assert (await ask(alice, 3, "post", content="hello"))["ok"]
        assert (await alice.socket.reply_to(2))["ok"]
    finally:
        answers.set()
