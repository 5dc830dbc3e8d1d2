"""Replies to posts that one transaction stored: together, and none lost."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from hub.core.posts import Outcome
from hub.gateway.gateway import Gateway
from hub.wire.bodies import validate
from hub.wire.frames import bodies
from hub.wire.requests import PostMessage
from tests.support.parts import ALICE, BOB

from .fakes import FakeSocket
from .test_connection import Talk, talking


def said(frames: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(body) for body in bodies(frames)]


def posted(frames: bytes) -> list[int | str]:
    """Replies by their number, messages by what they say."""
    return [
        each["id"] if each["type"] == "reply" else each["data"]["content"]
        for each in said(frames)
        if each["type"] in ("reply", "message.created")
    ]


def told(socket: FakeSocket) -> list[int | str]:
    return posted(b"".join(socket.written))


def replies(frames: bytes) -> list[int]:
    return [each["id"] for each in said(frames) if each["type"] == "reply"]


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


async def test_what_is_stored_of_who_has_left_is_owed_to_nobody(gateway: Gateway) -> None:
    async with talking(gateway) as talk, talking(gateway, BOB) as listener:
        await listener.ask("subscribe", room_id="room_1")
        await talk_of_a_known_room(talk)
        talk.send("post", room_id="room_1", content="last words")
        talk.connection.on_closed()
        await listener.socket.wait_for(lambda s: "last words" in told(s))
        gateway.apart.tidy()
        assert set() == gateway.apart.sockets


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


async def test_who_follows_the_room_has_replies_and_events_in_one_write(gateway: Gateway) -> None:
    """The replies first. No bus brings anything within the tick of a commit."""
    async with talking(gateway) as talk, talking(gateway, BOB) as listener:
        await listener.ask("subscribe", room_id="room_1")
        await talk.ask("subscribe", room_id="room_1")
        await talk_of_a_known_room(talk)
        await listener.socket.wait_for(lambda s: "first" in told(s))
        listener.socket.written.clear()
        sent = [talk.send("post", room_id="room_1", content=str(n)) for n in range(3)]
        await talk.socket.reply_to(sent[-1])
        events = ["0", "1", "2"]
        assert [[*sent, *events]] == [w for frames in talk.socket.written if (w := posted(frames))]
        assert [events] == [w for frames in listener.socket.written if (w := posted(frames))]


async def test_a_reply_that_cannot_be_sent_keeps_no_other_back(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: bytes) -> None:
        raise OSError("broken")

    async with talking(gateway) as lost, talking(gateway, BOB) as talk:
        await talk_of_a_known_room(lost)
        await talk_of_a_known_room(talk)
        monkeypatch.setattr(lost.socket, "write", broken)
        for each in (lost, talk):
            each.send("post", room_id="room_1", content="stored by one transaction")
        await talk.socket.wait_for(lambda _: bool(replies(b"".join(talk.socket.written))))
        monkeypatch.undo()
