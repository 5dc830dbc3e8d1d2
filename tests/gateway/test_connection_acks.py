"""Replies to posts that one transaction stored: together, and none lost."""

from __future__ import annotations

import orjson

from hub.core.posts import Outcome
from hub.gateway.gateway import Gateway
from hub.wire.bodies import validate
from hub.wire.frames import bodies
from hub.wire.requests import PostMessage
from tests.support.parts import ALICE

from .test_connection import Talk, talking


def replies(frames: bytes) -> list[int]:
    said = [orjson.loads(body) for body in bodies(frames)]
    return [each["id"] for each in said if each["type"] == "reply"]


async def talk_of_a_known_room(talk: Talk) -> None:
    """A first post: those after it go straight to the writer."""
    await talk.ask("post", room_id="room_1", content="first")
    talk.socket.written.clear()


async def test_posts_stored_together_are_answered_in_one_write(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        await talk_of_a_known_room(talk)
        sent = [talk.send("post", room_id="room_1", content=str(n)) for n in range(5)]
        await talk.socket.reply_to(sent[-1])
        assert [sent] == [replies(frames) for frames in talk.socket.written if replies(frames)]


async def test_what_is_stored_is_answered_before_a_close(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        await talk_of_a_known_room(talk)
        sent = talk.send("post", room_id="room_1", content="last words")

        def close(_: Outcome) -> None:
            talk.connection.close(1012, "restarting")

        body = validate(PostMessage, {"content": "stored by the same transaction"})
        assert gateway.parts.messages.try_submit(ALICE, "room_1", body, None, close)
        await talk.closed()
        assert [sent] == replies(b"".join(talk.socket.written))
