"""`hub.wire.frames`: WebSocket frames made once, split and cut where they were joined."""

from __future__ import annotations

import random

import msgpack
import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from hub.wire.frames import BINARY, bodies, frame, packed, without_first

LENGTHS = (0, 1, 125, 126, 127, 65_535, 65_536, 70_000)


def parsed(data: bytes) -> Frame:
    """One frame as the `websockets` library reads it."""
    reader = StreamReader()
    reader.feed_data(data)
    reading = Frame.parse(reader.read_exact, mask=False)
    try:
        while True:
            next(reading)
    except StopIteration as done:
        assert isinstance(done.value, Frame)
        return done.value


@pytest.mark.parametrize("length", LENGTHS)
def test_a_frame_of_any_length_is_read_by_another_library(length: int) -> None:
    body = random.Random(length).randbytes(length)
    read = parsed(frame(body))
    assert (read.opcode, read.fin, bytes(read.data)) == (Opcode.TEXT, True, body)
    assert parsed(frame(body, BINARY)).opcode == Opcode.BINARY


@pytest.mark.parametrize("length", LENGTHS)
def test_a_frame_is_the_one_the_other_library_makes(length: int) -> None:
    body = b"x" * length
    assert frame(body) == Frame(Opcode.TEXT, body).serialize(mask=False)


def test_joined_frames_come_apart_where_they_were_joined() -> None:
    made = [random.Random(n).randbytes(n) for n in LENGTHS]
    assert bodies(b"".join(map(frame, made))) == made
    assert bodies(b"") == []


@pytest.mark.parametrize("count", range(len(LENGTHS) + 1))
def test_the_first_frames_are_cut_off_whole(count: int) -> None:
    made = [frame(b"y" * n) for n in LENGTHS]
    assert without_first(b"".join(made), count) == b"".join(made[count:])


def test_packed_frames_say_the_same_one_for_one_in_binary() -> None:
    made = packed(frame(b'{"a":"\xf0\x9f\x91\x8d"}') + frame(b'{"b":[1,null,2.5]}'))
    assert [{"a": "👍"}, {"b": [1, None, 2.5]}] == [msgpack.unpackb(body) for body in bodies(made)]
    assert (Opcode.BINARY, True) == (parsed(made).opcode, parsed(made).fin)
    assert b"" == packed(b"")
