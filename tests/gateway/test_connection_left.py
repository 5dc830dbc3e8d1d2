"""What a `Connection` leaves behind, and how large the first words of a stranger may be."""

from __future__ import annotations

import gc
import json
import weakref

import pytest

from hub.core.values import Actor
from hub.gateway.closes import NOT_AUTHENTICATED, RESTARTING, RESUME, REVOKED
from hub.gateway.connection import Connection
from hub.gateway.gateway import Gateway
from hub.gateway.greeting import EARLY, GREETING_BYTES
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey
from tests.support.parts import ALICE
from tests.support.redis import until

from .test_connection import clock, talking

__all__ = ["clock"]


async def test_a_closed_connection_is_held_by_no_room(gateway: Gateway) -> None:
    """Otherwise the room would write to it, and remember it, for as long as the hub runs."""
    gone = await _came_and_was_closed(gateway)

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    await until(is_gone)


async def _came_and_was_closed(gateway: Gateway) -> weakref.ref[Connection]:
    async with talking(gateway) as talk:
        assert (await talk.ask("subscribe", room_id="room_1"))["ok"]
        talk.connection.close(REVOKED, "the key was revoked")
        return weakref.ref(talk.connection)


async def test_a_replay_that_nobody_expected_to_fail_asks_the_client_to_resume(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left open, the connection would hear nothing of a room that it believes to follow."""

    async def failing(*about: object) -> None:
        raise ValueError("a row that cannot be read")

    async with talking(gateway) as talk:
        monkeypatch.setattr(gateway.fanout._history, "page", failing)
        asked = talk.send("subscribe", room_id="room_1", since=0)
        await talk.socket.wait_for(lambda s: s.closed is not None)
        assert (RESTARTING, RESUME) == talk.socket.closed
        assert [True] == [s["ok"] for s in talk.socket.said if s.get("id") == asked]


async def test_a_good_greeting_that_is_too_large_is_closed(gateway: Gateway) -> None:
    for size, welcome in ((GREETING_BYTES, True), (GREETING_BYTES + 1, False)):
        async with talking(gateway, None) as talk:
            talk.raw(await _greeting(gateway, ALICE, size))
            await talk.socket.wait_for(lambda s: bool(s.said) or s.closed is not None)
            assert welcome == (talk.socket.closed is None)


@pytest.mark.parametrize("behind", [["{}"] * (EARLY + 1), ["x" * (GREETING_BYTES + 1)]])
async def test_what_is_sent_behind_a_greeting_is_bounded(
    behind: list[str], gateway: Gateway
) -> None:
    async with talking(gateway, None) as talk:
        talk.raw(await _greeting(gateway, ALICE, 1_000))
        for frame in behind:
            talk.raw(frame)
        assert talk.socket.closed is not None
        assert NOT_AUTHENTICATED == talk.socket.closed[0]


async def _greeting(gateway: Gateway, who: Actor, size: int) -> str:
    """An `auth` frame of so many bytes with a key that is good."""
    made = await gateway.parts.access.create_key(who, validate(CreateKey, {"name": "k"}))
    return json.dumps({"type": "auth", "token": made["key"]}).ljust(size)
