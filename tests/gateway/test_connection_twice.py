"""Waiting for `Subscribe.cursors` to name each room once."""

from __future__ import annotations

from hub.gateway.gateway import Gateway

from .test_connection import talking


async def test_a_room_named_twice_in_one_command_sends_nothing_twice(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        for n in range(5):
            await talk.ask("post", room_id="room_1", content=str(n))
        cursor = {"room_id": "room_1", "since": 0}
        await talk.ask("subscribe", rooms=[cursor, cursor])
        last = (await talk.ask("post", room_id="room_1", content="last"))["data"]["seq"]
        await talk.socket.wait_for(lambda _: last in talk.seqs)
        assert talk.seqs == list(range(1, last + 1))
