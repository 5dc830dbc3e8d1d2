"""hub/models/completion.py: the dialects of chat completions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.core.chat import ChatPart, Finish, TextDelta, Usage
from hub.core.errors import Backend
from hub.models.completion import CompletionReader, EventStream, WholeBody

from .asking import Reply, ask, whole


def chunk(delta: dict[str, Any] | None, reason: str | None = None, **more: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more})


def read(*frames: str, secret: str | None = None) -> Reply:
    reader = CompletionReader(ask("what is it?"), secret)
    stream = EventStream(reader)
    parts: list[ChatPart] = []
    for frame in frames:
        parts += stream.feed(f"data: {frame}\n\n".encode())
    return whole([*parts, *stream.end(), *reader.finish()])


def read_whole(body: str) -> Reply:
    reader = CompletionReader(ask("what is it?"))
    answer = WholeBody(reader)
    assert answer.feed(body.encode()) == []
    return whole([*answer.end(), *reader.finish()])


def test_text_reason_and_usage_come_from_wherever_they_are() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    in_last = read(chunk({"content": "a"}), chunk({"content": "b"}, "length", usage=usage))
    after = read(
        chunk({"content": "a"}),
        chunk({"content": "b"}, "length"),
        json.dumps({"choices": [], "usage": usage}),
        "[DONE]",
    )
    assert in_last == after == Reply(("a", "b"), Finish("length", Usage(3, 2)))


def test_deltas_without_text_are_not_passed_on() -> None:
    empty: list[dict[str, Any] | None] = [{"role": "assistant"}, {"content": None}, {}, None]
    frames = [chunk(delta) for delta in [*empty, {"content": ""}]]
    reply = read(*frames, "{}", " ", chunk({"content": "x"}, "stop"))
    assert reply.deltas == ("x",)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": True}, 7])
def test_usage_that_is_missing_or_mad_is_estimated(usage: object) -> None:
    reply = read(chunk({"content": "twelve chars"}, "stop", usage=usage))
    assert reply.finish == Finish("stop", Usage(3, 3, estimated=True))


def test_an_end_mark_completes_a_reply_without_reason_and_nothing_counts_after_it() -> None:
    reply = read(chunk({"content": "a"}), "[DONE]", chunk({"content": "b"}), "junk")
    assert (reply.text, reply.finish.reason) == ("a", "stop")


def test_a_stream_that_stops_before_the_reply_does_is_a_transient_failure() -> None:
    with pytest.raises(Backend, match="before it was complete") as caught:
        read(chunk({"content": "a"}))
    assert caught.value.transient


@pytest.mark.parametrize(
    ("frame", "transient"),
    [
        ({"error": {"message": "boom", "code": 503}}, True),
        ({"error": {"message": "boom", "code": "400"}}, False),
        ({"error": {"message": "boom", "type": "invalid_request_error"}}, False),
        ({"error": {"message": "boom", "type": "overloaded_error"}}, True),
        ({"error": "boom"}, True),
        ({"object": "error", "message": "boom", "code": 404}, False),
    ],
)
def test_an_error_object_in_a_frame_ends_the_reply(frame: object, transient: bool) -> None:
    with pytest.raises(Backend, match="boom") as caught:
        read(chunk({"content": "a"}), json.dumps(frame))
    assert transient == caught.value.transient


@pytest.mark.parametrize("data", ['{"message": "boom"}', '{"error": "boom"}', "boom", '["boom"]'])
def test_an_event_named_error_ends_the_reply(data: str) -> None:
    stream = EventStream(CompletionReader(ask("hi")))
    with pytest.raises(Backend, match="boom"):
        stream.feed(f"event: error\ndata: {data}\n\n".encode())


@pytest.mark.parametrize("junk", ["{", "7", "[]", "[" * 100_000, '{"a":' + "1" * 5000 + "}"])
def test_what_is_not_an_object_is_a_short_transient_failure(junk: str) -> None:
    with pytest.raises(Backend, match="unreadable") as caught:
        read(junk)
    assert caught.value.transient
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    "body",
    [
        {"choices": 5},
        {"choices": [None, 3]},
        {"choices": [{"index": 1, "delta": {"content": "other"}}]},
        {"choices": [{"delta": 4, "finish_reason": 9}]},
        {"choices": [{"delta": {"content": {"no": "text"}}}]},
    ],
)
def test_frames_of_another_shape_are_passed_over(body: object) -> None:
    assert read(json.dumps(body), chunk({"content": "x"}, "stop")).deltas == ("x",)


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert read(chunk({"content": parts}, "stop")).text == "ab"


def test_halves_of_a_surrogate_pair_are_joined_and_lone_ones_replaced() -> None:
    halves = [chunk({"content": text}) for text in ("a\ud83d", "\ude00b\ude00", "\ud83d")]
    assert read(*halves, chunk({}, "stop")).deltas == ("a", "😀b\ufffd", "\ufffd")


def test_nul_never_reaches_a_database() -> None:
    assert read(chunk({"content": "a\0b"}, "stop")).text == "a\ufffdb"


def test_a_line_too_long_is_a_failure_of_the_server() -> None:
    stream = EventStream(CompletionReader(ask("hi")))
    with pytest.raises(Backend, match="more than"):
        for _ in range(40):
            stream.feed(b"x" * 65536)


def test_the_last_event_need_not_be_closed() -> None:
    reader = CompletionReader(ask("hi"))
    stream = EventStream(reader)
    assert stream.feed(f"data:{chunk({'content': 'all'}, 'stop')}".encode()) == []
    assert stream.end() == [TextDelta("all")]
    assert reader.finished


def test_a_frame_torn_after_the_reason_is_forgiven() -> None:
    reader = CompletionReader(ask("hi"))
    stream = EventStream(reader)
    stream.feed(f'data:{chunk({"content": "all"}, "stop")}\n\ndata: {{"cho'.encode())
    assert stream.end() == []
    assert whole([TextDelta("all"), *reader.finish()]).finish.reason == "stop"


def test_an_answer_that_was_not_streamed_is_one_delta() -> None:
    message = {"role": "assistant", "content": "all of it"}
    body = {"choices": [{"message": message, "finish_reason": "length"}]}
    assert read_whole("\ufeff" + json.dumps(body)) == Reply(
        ("all of it",), Finish("length", Usage(3, 3, estimated=True))
    )


@pytest.mark.parametrize("body", ["{}", '{"choices": []}', '{"error": {"code": 400}}', "", "null"])
def test_an_answer_without_a_choice_is_a_failure(body: str) -> None:
    with pytest.raises(Backend):
        read_whole(body)


def test_errors_never_repeat_the_key() -> None:
    with pytest.raises(Backend) as caught:
        read(json.dumps({"error": "bad key sk-secret-1!"}), secret="sk-secret-1")
    assert caught.value.message.endswith("bad key [key]!")
