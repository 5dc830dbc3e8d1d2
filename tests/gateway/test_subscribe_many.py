"""`subscribe {rooms: […]}`: all or none, and what is wrong is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.core.values import Actor
from hub.gateway.doing import ROOMS
from tests.support.parts import ACME, ALICE, AT_MS, BOB, Posts, add_room

from .fakes import Event
from .houses import Here, Pair, pair

__all__ = ["pair"]


async def subscribe(here: Here, number: int, *rooms: Any) -> Event:
    cursors = [{"room_id": each} if isinstance(each, str) else each for each in rooms]
    here.do(json.dumps({"id": number, "type": "subscribe", "rooms": cursors}))
    return await here.socket.reply_to(number)


async def test_each_room_resumes_from_its_own_place(pair: Pair) -> None:
    store = pair.parts.store
    heads = {}
    for room_id in ("room_1", "room_2", "room_3"):
        heads[room_id] = (await add_room(store, room_id)).head
    posts = Posts(store)
    for room_id in ("room_1", "room_2"):
        await posts.send(room_id)
    here = await pair.connect(ALICE)
    cursors = [
        {"room_id": "room_1", "since": heads["room_1"]},
        {"room_id": "room_2", "since": 1, "epoch": "another"},
    ]
    told = (await subscribe(here, 1, *cursors, "room_3"))["data"]["rooms"]
    assert [("room_1", True), ("room_2", False), ("room_3", False)] == [
        (each["room_id"], each["recovered"]) for each in told
    ]
    await here.told("message.created")
    await posts.send("room_3")
    await here.told("message.created", 2)
    assert ["room_1", "room_3"] == [e["room_id"] for e in here.of("message.created")]


async def test_a_room_that_may_not_be_read_is_named_and_nothing_changes(pair: Pair) -> None:
    await add_room(pair.parts.store)
    await add_room(pair.parts.store, "room_2", people=("user_alice",))
    bob = await pair.connect(BOB)
    assert (await subscribe(bob, 1, "room_1"))["ok"]
    for number, foreign in enumerate(("room_2", "room_none"), start=2):
        error = (await subscribe(bob, number, "room_1", foreign))["error"]
        assert ("ROOM_NOT_FOUND", "rooms[1].room_id") == (
            error["code"], error["details"][0]["field"],
        )  # fmt: skip
    assert {"room_1"} == bob.connection.rooms
    posted = await Posts(pair.parts.store).send()
    assert posted.seq == (await bob.told("message.created"))["seq"]


async def test_who_is_expelled_from_one_room_while_another_is_looked_at_is_told_which(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, fanout = pair.parts.store, pair.gateways[0].fanout
    for room_id in ("room_1", "room_2"):
        await add_room(store, room_id)
    bob, may_read = await pair.connect(BOB), fanout._may_read

    async def removing(actor: Actor, room_id: str) -> bool:
        if room_id == "room_2" and not bob.of("room.removed"):
            await store.rooms.remove_member(ACME, "room_1", BOB.id, AT_MS)
            fanout.suspect_access("room_1")
            await bob.told("room.removed")
        return await may_read(actor, room_id)

    monkeypatch.setattr(fanout, "_may_read", removing)
    error = (await subscribe(bob, 1, "room_1", "room_2"))["error"]
    assert ("ROOM_NOT_FOUND", "rooms[0].room_id") == (
        error["code"], error["details"][0]["field"],
    )  # fmt: skip
    assert set() == bob.connection.rooms


async def test_a_batch_over_the_bound_leaves_what_is_followed(pair: Pair) -> None:
    for room_id in ("room_1", "room_2"):
        await add_room(pair.parts.store, room_id)
    here = await pair.connect(ALICE)
    assert (await subscribe(here, 1, "room_1"))["ok"]
    here.connection.rooms.update(f"room_x{n}" for n in range(ROOMS - 1))
    assert (await subscribe(here, 2, "room_1"))["ok"]
    error = (await subscribe(here, 3, "room_1", "room_2"))["error"]
    assert "RATE_LIMITED" == error["code"]
    posted = await Posts(pair.parts.store).send()
    assert posted.seq == (await here.told("message.created"))["seq"]
