"""`hub.gateway.following`: how much of a reply was passed on, never of two attempts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from hub.core.errors import Unavailable
from hub.gateway.following import Follower, Piece, Reading, Replaced, open_follower
from hub.wire.frames import frame
from tests.support.parts import ALICE


def test_a_reader_takes_only_what_goes_on_from_what_it_has() -> None:
    reading = Reading()
    assert Piece("Hel", 1, 3) == reading.take(1, 0, "Hel")
    assert reading.take(1, 0, "Hel") is None
    assert Piece("lo", 1, 5) == reading.take(1, 2, "llo")
    assert reading.take(1, 9, "late") is None
    assert Piece(" you", 1, 9) == reading.take(1, 0, "Hello you")


def test_a_reader_that_was_cut_off_goes_on_where_it_was() -> None:
    assert Piece("lo", 2, 5) == Reading(sent=3, attempt=2).take(2, 0, "Hello")


def test_offsets_count_characters() -> None:
    reading = Reading()
    assert Piece("日本👩‍👩‍👧", 1, 7) == reading.take(1, 0, "日本👩‍👩‍👧")
    assert Piece("x", 1, 8) == reading.take(1, 7, "x")


def test_a_later_attempt_ends_what_was_begun() -> None:
    reading = Reading()
    reading.take(1, 0, "Hel")
    with pytest.raises(Replaced):
        reading.take(2, 0, "Goodbye")
    assert (3, 1) == (reading.sent, reading.attempt)


def test_a_later_attempt_is_no_harm_before_the_first_piece() -> None:
    reading = Reading(attempt=1)
    assert Piece("Hi", 3, 2) == reading.take(3, 0, "Hi")


def test_an_earlier_attempt_is_not_heard() -> None:
    reading = Reading(attempt=2)
    assert reading.take(1, 0, "void") is None
    assert 0 == reading.sent


class DeafFanout:
    """A `Fanout` without Redis."""

    def __init__(self) -> None:
        self.left: list[str] = []

    async def prepare(self, *_: object) -> None:
        raise Unavailable("Redis does not answer", code="BUS_UNAVAILABLE")

    def leave(self, _: object, room_id: str) -> None:
        self.left.append(room_id)


async def test_without_redis_a_reply_is_followed_all_the_same() -> None:
    fanout = DeafFanout()
    gateway: Any = SimpleNamespace(fanout=fanout)
    async with open_follower(gateway, ALICE, "sess_1") as follower:
        assert isinstance(follower, Follower)
    assert ["sess_1"] == fanout.left


async def test_of_what_nobody_takes_only_so_much_is_kept() -> None:
    gateway: Any = SimpleNamespace(fanout=DeafFanout())
    follower = Follower(ALICE, gateway, "sess_1")
    delta = {"type": "message.delta", "data": {"run_id": "run_1", "text": "x" * 30_000}}
    pieces = frame(orjson.dumps(delta))
    for _ in range(20):
        follower.deliver(pieces)
    heard = 0
    while not follower._events.empty():
        assert delta["data"] == await follower.next("run_1")
        heard += 1
    assert 8 == heard
    follower.deliver(pieces)
    assert delta["data"] == await follower.next("run_1")
