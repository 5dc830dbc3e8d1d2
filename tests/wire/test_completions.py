"""`hub.wire.completions`: what the pieces of a reply make together."""

from __future__ import annotations

from hub.core.chat import OtherDelta
from hub.core.errors import Backend, Limited, invalid
from hub.wire.completions import error_of, message_of


def call(index: int, **fields: object) -> OtherDelta:
    return OtherDelta({"tool_calls": [{"index": index, **fields}]})


def test_calls_of_tools_are_put_together_by_their_index() -> None:
    pieces = [
        call(0, id="a", type="function", function={"name": "f", "arguments": ""}),
        call(0, function={"arguments": '{"x":'}),
        call(1, id="b", type="function", function={"name": "g", "arguments": "{}"}),
        call(0, function={"arguments": "1}"}),
    ]
    message = message_of("", pieces)
    assert message["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert message["content"] is None


def test_an_id_that_is_repeated_is_said_once() -> None:
    again = {"id": "a", "type": "function", "function": {"arguments": "1"}}
    (made,) = message_of("", [call(0, **again), call(0, **again)])["tool_calls"]
    assert ("a", "function", "11") == (made["id"], made["type"], made["function"]["arguments"])


def test_reasoning_is_joined_beside_the_text() -> None:
    pieces = [OtherDelta({"reasoning_content": text}) for text in ("first ", "then")]
    message = message_of("so", pieces)
    assert ("so", "first then") == (message["content"], message["reasoning_content"])


def test_errors_have_openais_statuses_and_types() -> None:
    found = [
        error_of(error)
        for error in (
            invalid("messages[0].role", "must be one"),
            Backend("too long", answered=400),
            Backend("no", answered=401),
            Limited("used up", code="BUDGET_EXCEEDED"),
            Limited("slower"),
        )
    ]
    assert [(400, "invalid_request_error"), (400, "invalid_request_error"), (502, "server_error"),
            (429, "insufficient_quota"), (429, "rate_limit_error")] == [
        (status, about["type"]) for status, about in found
    ]  # fmt: skip
    assert "messages[0].role" == found[0][1]["param"]
