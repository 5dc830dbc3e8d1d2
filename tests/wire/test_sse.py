"""`hub.wire.sse`: server-sent events, one data line each."""

from __future__ import annotations

import json

from hub.wire.sse import DONE, HEARTBEAT, sse


def test_an_event_is_one_data_line_and_a_blank() -> None:
    assert sse({"a": 1}) == b'data: {"a":1}\n\n'


def test_an_event_may_have_a_name_and_an_id() -> None:
    assert sse({}, event="error", event_id="e1:7") == b"event: error\nid: e1:7\ndata: {}\n\n"


def test_line_breaks_in_text_cannot_end_the_line() -> None:
    made = sse({"text": "a\r\nb\n\ndata: [DONE]\u2028"})
    assert made.count(b"\n") == 2
    assert b"\r" not in made


def test_a_heartbeat_is_a_comment_and_done_is_what_sdks_wait_for() -> None:
    assert HEARTBEAT.startswith(b":")
    assert HEARTBEAT.endswith(b"\n\n")
    assert DONE == b"data: [DONE]\n\n"


def test_what_some_clients_take_for_the_end_of_a_line_is_escaped() -> None:
    text = "a\u2028b\u2029c\x85d\x0b\x0c\x1c\r\n"
    line = sse({"text": text}).decode()
    assert ["data: ", ""] == [line.splitlines()[0][:6], line.splitlines()[1]]
    assert text == json.loads(line.splitlines()[0][6:])["text"]
