"""The proof behind a figure: a log or a stream that is not right is noticed."""

from __future__ import annotations

import json
from typing import Any

from hub.bench.check import events_of, log_faults, stream_faults
from hub.bench.frames import PING, client_frame, pong_for, texts
from hub.wire.frames import frame

Json = dict[str, Any]


def event(seq: int, room_id: str = "room_a") -> Json:
    data = {"id": f"msg_{seq}", "content": "x" * 200}
    return {"type": "message.created", "room_id": room_id, "seq": seq, "at": "now", "data": data}


def stream_of(*bodies: Json) -> bytes:
    return b"".join(frame(json.dumps(body).encode()) for body in bodies)


LOG = [event(seq) for seq in (6, 7, 8)]


def test_a_dense_log_of_all_that_was_sent_has_no_fault() -> None:
    assert [] == log_faults("room_a", LOG, 5, 3)


def test_a_gap_a_loss_and_a_double_in_the_log_are_faults() -> None:
    double = [*LOG, event(8) | {"seq": 9}]
    cases = [(LOG[:1] + LOG[2:], 2), (LOG[1:], 2), (LOG, 4), (double, 4)]
    assert [1, 1, 1, 1] == [len(log_faults("room_a", log, 5, sent)) for log, sent in cases]


def test_a_stream_that_is_the_log_among_other_frames_has_no_fault() -> None:
    hello, other, typing = {"type": "hello"}, event(1, "room_b"), {"room_id": "room_a"}
    stream = PING + b"abcd" + stream_of(hello, LOG[0], other, typing, *LOG[1:])
    assert [] == stream_faults("room_a", stream, LOG)


def test_loss_disorder_doubles_and_other_words_in_a_stream_are_faults() -> None:
    changed = event(8) | {"at": "later"}
    streams = [LOG[:2], [LOG[1], LOG[0], LOG[2]], [*LOG, LOG[2]], [*LOG[:2], changed]]
    assert [1] * 4 == [len(stream_faults("room_a", stream_of(*s), LOG)) for s in streams]


def test_a_frame_that_is_no_json_is_a_fault() -> None:
    assert 1 == len(stream_faults("room_a", frame(b"{nonsense"), LOG))


def test_a_frame_that_is_cut_off_at_the_end_is_left_out() -> None:
    assert LOG[:1] == events_of(stream_of(*LOG[:2])[:-1], "room_a")


def test_frames_of_all_lengths_are_read() -> None:
    bodies = [b"x" * size for size in (0, 125, 126, 65_535, 65_536)]
    assert bodies == list(texts(b"".join(map(frame, bodies))))


def test_a_ping_among_other_bytes_is_answered_when_it_is_whole() -> None:
    buffer = bytearray(b"...." + PING + b"abcd" + b"....")
    assert (None, client_frame(b"abcd", 0xA)) == (pong_for(buffer, 9), pong_for(buffer, 10))


def test_the_last_ping_is_answered_not_one_that_was_before() -> None:
    buffer = bytearray(PING + b"last" + PING + b"this")
    assert client_frame(b"this", 0xA) == pong_for(buffer, len(buffer))
