"""OpenAI's own client against a hub: models, completions whole and streamed, tools, failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.e2e.upstreams import Served
from tests.models.canned import GREETING

HELLO: Any = [{"role": "user", "content": "hello"}]
WEATHER: Any = [{"role": "user", "content": "how is the weather"}]
TOOLS: Any = [{"type": "function", "function": {"name": "look_outside", "parameters": {}}}]


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with served.sdk() as sdk:
        yield sdk


def test_models_are_listed_and_read(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {"builtin/eliza", "canned", "test/plain", "persona_poolnoodle"} <= listed.keys()
    assert not any(slug.startswith("persona_model-") for slug in listed)
    one = client.models.retrieve("canned")
    extra = one.model_extra or {}
    assert ("canned", "model", 32_000) == (one.id, one.object, extra["context_window"])
    assert listed["canned"].created == one.created
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no/such")
    assert "MODEL_NOT_FOUND" == caught.value.code


def test_a_whole_answer_is_the_servers(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="canned", messages=HELLO)
    choice = answer.choices[0]
    assert (GREETING, "stop", "assistant", "canned") == (
        choice.message.content, choice.finish_reason, choice.message.role, answer.model,
    )  # fmt: skip
    assert answer.id.startswith("chatcmpl-")
    assert answer.usage is not None
    assert answer.usage.total_tokens == (
        answer.usage.prompt_tokens + answer.usage.completion_tokens
    )
    assert answer.usage.completion_tokens > 0


def test_a_streamed_answer_is_the_servers_with_usage_last_when_asked(
    client: openai.OpenAI,
) -> None:
    chunks = list(
        client.chat.completions.create(
            model="canned", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    *others, last = chunks
    text = "".join(chunk.choices[0].delta.content or "" for chunk in others)
    assert GREETING == text
    assert "assistant" == others[0].choices[0].delta.role
    assert ["stop"] == [c.choices[0].finish_reason for c in others if c.choices[0].finish_reason]
    assert ([], True) == (last.choices, last.usage is not None)
    assert all(chunk.usage is None for chunk in others)
    assert 1 == len({(chunk.id, chunk.model, chunk.created) for chunk in chunks})


def test_without_being_asked_a_stream_says_nothing_of_usage(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="canned", messages=HELLO, stream=True))
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


def test_tools_are_passed_on_and_their_calls_come_back(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="canned", messages=WEATHER, tools=TOOLS)
    choice = answer.choices[0]
    assert ("tool_calls", None) == (choice.finish_reason, choice.message.content)
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert ("look_outside", '{"city": "K\\u00f6ln", "days": 3}') == (
        call.function.name, call.function.arguments,
    )  # fmt: skip


def test_calls_of_tools_are_streamed(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="canned", messages=WEATHER, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert call.function.name == "look_outside"
    assert call.function.arguments == '{"city": "K\\u00f6ln", "days": 3}'


@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("no/such", openai.NotFoundError, "MODEL_NOT_FOUND"),
        ("test/status-400", openai.BadRequestError, "BACKEND_ERROR"),
        ("test/status-401", openai.InternalServerError, "BACKEND_ERROR"),
        ("test/status-429", openai.InternalServerError, "MODEL_UNAVAILABLE"),
        ("keyless", openai.InternalServerError, "MODEL_UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_first_piece_is_a_plain_error(
    client: openai.OpenAI, model: str, error: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=HELLO, stream=stream)
    assert code == caught.value.code


def test_a_failure_in_the_middle_of_a_stream_is_raised_where_it_comes(
    client: openai.OpenAI,
) -> None:
    stream = client.chat.completions.create(model="late-rescue", messages=HELLO, stream=True)
    heard = ""
    with pytest.raises(openai.APIError, match="out of memory") as caught:
        for chunk in stream:
            heard += chunk.choices[0].delta.content or ""
    assert ("half of ", "BACKEND_ERROR") == (heard, caught.value.code)


def test_a_wrong_key_is_an_authentication_error(served: Served) -> None:
    with served.sdk("rhk_no_such") as sdk, pytest.raises(openai.AuthenticationError) as caught:
        sdk.chat.completions.create(model="canned", messages=HELLO)
    assert "AUTH_TOKEN_INVALID" == caught.value.code
    with served.sdk("rhk_no_such") as sdk, pytest.raises(openai.AuthenticationError):
        sdk.models.list()
