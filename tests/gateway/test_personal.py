"""`hub.gateway.personal`: what concerns a participant reaches all its connections everywhere."""

from __future__ import annotations

import asyncio
import json

import pytest

from hub.core.values import Actor
from hub.gateway.gateway import Gateway
from hub.gateway.personal import Personal
from hub.wire.bodies import validate
from hub.wire.frames import Coding, packed
from hub.wire.packets import own_channel
from hub.wire.requests import CreateRoom, NewMember, PostMessage
from tests.support.parts import ALICE, BOB, CAROL, ELIZA, RIVAL, actor, add_room
from tests.support.redis import until

from .fakes import Client
from .houses import Here, Pair, pair
from .test_fanout import House, house, open_house

__all__ = ["house", "open_house", "pair"]
NAMES_BOB = [{"type": "user", "id": "user_bob"}]


async def post(pair: Pair, by: Actor, content: str) -> str:
    body = validate(PostMessage, {"content": content, "mention": NAMES_BOB})
    return (await pair.parts.messages.post(by, "room_1", body)).message_id


async def test_a_mention_reaches_every_connection_of_who_is_named_and_nobody_else(
    pair: Pair,
) -> None:
    await add_room(pair.parts.store)
    here, there = await pair.connect(BOB, 0), await pair.connect(BOB, 1)
    others = [
        await pair.connect(who, gateway)
        for who in (ALICE, CAROL, actor("user_bob", RIVAL))
        for gateway in (0, 1)
    ]
    message_id = await post(pair, ALICE, "look at this")
    for told in (await here.told("mention"), await there.told("mention")):
        assert ("room_1", message_id) == (told["room_id"], told["data"]["id"])
    await post(pair, BOB, "I, myself")
    await post(pair, ALICE, "again")
    assert "again" == (await there.told("mention", 2))["data"]["content"]
    assert [] == [event for other in others for event in other.of("mention")]


async def test_who_joins_and_who_leaves_is_told_wherever_they_are(pair: Pair) -> None:
    there = await pair.connect(CAROL, 1)
    mine = await pair.connect(ALICE, 1)
    room = (await pair.parts.rooms.create(ALICE, validate(CreateRoom, {"name": "New"}))).room
    body = validate(NewMember, {"type": "user", "id": "user_carol"})
    await pair.parts.rooms.add_member(ALICE, room.id, body)
    added = await there.told("room.added")
    assert (room.id, "New", "user_alice") == (
        added["room_id"], added["data"]["room"]["name"], added["data"]["by"]["id"],
    )  # fmt: skip
    await pair.parts.rooms.remove_member(ALICE, room.id, "user_carol")
    assert room.id == (await there.told("room.removed"))["room_id"]
    await pair.parts.rooms.add_member(ALICE, room.id, body)
    await there.told("room.added", 2)
    assert 1 == len(mine.of("room.added", "room.removed"))


async def test_the_first_members_of_a_room_are_told_of_it(pair: Pair) -> None:
    people = [await pair.connect(who, 1) for who in (ALICE, BOB)]
    body = {"name": "Both", "initial_members": NAMES_BOB}
    made = (await pair.parts.rooms.create(ALICE, validate(CreateRoom, body))).room
    for each in people:
        assert made.id == (await each.told("room.added"))["room_id"]


async def test_who_follows_a_room_is_told_once_that_it_is_gone(pair: Pair) -> None:
    await add_room(pair.parts.store)
    follows, idle = await pair.connect(BOB, 1), await pair.connect(BOB, 1)
    follows.do(json.dumps({"id": 1, "type": "subscribe", "room_id": "room_1"}))
    await follows.socket.reply_to(1)
    await pair.parts.rooms.remove_member(ALICE, "room_1", "user_bob")
    await idle.told("room.removed")
    await follows.told("room.removed")
    await until(lambda: not follows.connection.rooms)
    pair.parts.notices.tell("acme", ["user_bob"], "queue", "sess_1", {})
    await follows.told("queue")
    assert 1 == len(follows.of("room.removed"))


async def test_services_may_tell_participants_of_their_own_matters(pair: Pair) -> None:
    here = await pair.connect(BOB, 1)
    pair.parts.notices.tell("acme", ["user_bob", "user_carol"], "queue", "sess_1", {"waiting": 3})
    told = await here.told("queue")
    assert ("sess_1", {"waiting": 3}) == (told["room_id"], told["data"])


async def test_an_ai_participants_reply_mentions_as_a_person_does(pair: Pair) -> None:
    """Whatever writes the log, the mention comes from the stored message."""
    await add_room(pair.parts.store)
    here = await pair.connect(BOB, 1)
    posted = await pair.parts.messages.post(
        actor(ELIZA), "room_1", validate(PostMessage, {"content": "@bob, see above"})
    )
    assert posted.message_id == (await here.told("mention"))["data"]["id"]


async def test_a_channel_is_followed_while_anybody_is_connected(pair: Pair) -> None:
    first: Here = await pair.connect(BOB)
    second = await pair.connect(BOB)
    at: Gateway = pair.gateways[0]
    first.connection.close(1000, "bye")
    await pair.connect(CAROL)
    assert at.personal.hears(BOB)
    second.connection.close(1000, "bye")
    await until(lambda: not at.personal.hears(BOB))
    again = await pair.connect(BOB)
    pair.parts.notices.tell("acme", ["user_bob"], "queue", "sess_1", {})
    await again.told("queue")


class Silent:
    """An `Owner` that keeps what it is given."""

    def __init__(self, *, speaks_packed: bool) -> None:
        self.actor = BOB
        self.coding = Coding(packed=speaks_packed)
        self.rooms: set[str] = set()
        self.got: list[bytes] = []
        self.offers = 0

    def deliver(self, frames: bytes) -> None:
        self.got.append(frames)

    def reoffer(self) -> None:
        self.offers += 1


@pytest.mark.parametrize("speaks_packed", [False, True])
async def test_each_is_told_in_its_own_encoding(pair: Pair, speaks_packed: bool) -> None:
    owner, plain = Silent(speaks_packed=speaks_packed), Silent(speaks_packed=False)
    for each in (owner, plain):
        pair.gateways[0].personal.join(each)
    await until(lambda: owner.offers == plain.offers == 1)
    pair.parts.notices.tell("acme", ["user_bob"], "queue", "sess_1", {})
    await until(lambda: bool(owner.got and plain.got))
    assert [packed(plain.got[0]) if speaks_packed else plain.got[0]] == owner.got


class Owner(Client):
    """A connection that only waits for its participant's channel."""

    def __init__(self, actor: Actor = ALICE) -> None:
        super().__init__(actor)
        self.rooms: set[str] = set()
        self.offered = 0

    def reoffer(self) -> None:
        self.offered += 1


async def test_a_channel_that_is_heard_late_holds_up_no_other(house: House) -> None:
    personal, late, quick = Personal(house.fanout), Owner(), Owner(BOB)
    name, listener = own_channel(ALICE.tenant_id, ALICE.id), house.bus.listener
    listener.late = {name}
    settling = asyncio.create_task(personal.run())
    for owner in (late, quick):
        personal.join(owner)
    await until(lambda: quick.offered == 1)
    after = Owner(CAROL)
    personal.join(after)
    await until(lambda: after.offered == 1)
    assert (0, False) == (late.offered, personal.hears(ALICE))
    listener.confirm(name)
    settling.cancel()
    assert (1, True) == (late.offered, personal.hears(ALICE))
    assert 3 == len(listener.asked)


async def test_a_channel_that_could_not_be_heard_is_not_kept_for_who_has_left(
    house: House,
) -> None:
    personal, owner = Personal(house.fanout), Owner()
    settling = asyncio.create_task(personal.run())
    house.bus.listener.deaf = True
    personal.join(owner)
    await until(lambda: bool(house.bus.listener.asked))
    personal.leave(owner)
    await until(lambda: house.bus.listener.asked == house.bus.listener.left)
    settling.cancel()
    assert 0 == owner.offered
