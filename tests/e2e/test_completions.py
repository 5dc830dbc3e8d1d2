"""`POST /v1/chat/completions`: what reaches the model's server, its faults, usage, bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.people import Person, add_person, named
from tests.e2e.upstreams import COMPLETIONS, Json, Served
from tests.models.canned import GREETING

HELLO: list[Json] = [{"role": "user", "content": "hello"}]


@pytest.fixture
def someone(served: Served) -> Iterator[Person]:
    made = add_person(served.hub, "someone")
    with made.client:
        yield made


def error(answer: httpx.Response, status: int, code: str) -> Json:
    """The `error` of an answer in OpenAI's shape, and nothing beside it."""
    assert (status, code) == (answer.status_code, answer.json()["error"]["code"]), answer.text
    assert {"error"} == answer.json().keys()
    about: Json = answer.json()["error"]
    assert {"message", "type", "param", "code"} == about.keys()
    assert "Traceback" not in answer.text
    return about


def data_of(answer: httpx.Response) -> list[str]:
    return [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]


# What reaches the model's server.


def test_what_is_asked_reaches_the_server(served: Served) -> None:
    answer = served.complete(
        "test/plain", temperature=0.5, top_p=0.9, max_completion_tokens=9, stop=["END", "."],
        seed=7, top_k=40, response_format={"type": "text"}, user="someone",
    )  # fmt: skip
    assert served.last_text() == answer.json()["choices"][0]["message"]["content"]
    sent = served.last_request()
    expected = {
        "model": "plain", "messages": HELLO, "temperature": 0.5, "top_p": 0.9, "max_tokens": 9,
        "stop": ["END", "."], "seed": 7, "top_k": 40, "response_format": {"type": "text"},
        "user": "someone", "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    assert expected == sent


def test_an_option_never_stands_in_for_what_the_hub_says(served: Served) -> None:
    served.complete("test/plain", max_tokens=5, stream=False, n=1, base_url="http://x.example")
    sent = served.last_request()
    assert ("plain", True, 5) == (sent["model"], sent["stream"], sent["max_tokens"])
    assert "n" not in sent


def test_text_in_parts_is_joined_and_other_parts_go_on_whole(served: Served) -> None:
    texts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    tool = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    calls = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    asked: list[Json] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": texts},
        {"role": "user", "content": [*texts, picture]},
        {"role": "assistant", "content": None, "tool_calls": calls},
        tool,
    ]
    assert 200 == served.complete("test/plain", messages=asked).status_code
    assert served.last_request()["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one\ntwo"},
        {"role": "user", "content": [*texts, picture]},
        {"role": "assistant", "content": None, "tool_calls": calls},
        tool,
    ]


def test_builtin_models_stop_where_they_are_told(served: Served) -> None:
    texts = [{"type": "text", "text": "one two three"}]
    asked = [{"role": "user", "content": texts}]
    whole = served.complete("builtin/echo", messages=asked, tools=[]).json()["choices"][0]
    assert ("one two three", "stop") == (whole["message"]["content"], whole["finish_reason"])
    cut = served.complete("builtin/echo", messages=asked, stop=" three").json()["choices"][0]
    assert "one two" == cut["message"]["content"]
    short = served.complete("builtin/echo", messages=asked, max_tokens=1).json()["choices"][0]
    assert ("one ", "length") == (short["message"]["content"], short["finish_reason"])


def test_a_persona_is_a_model_with_its_character(served: Served, someone: Person) -> None:
    persona = named("persona_critic")
    driver = {
        "kind": "model", "model": "test/plain", "system_prompt": "You are harsh.",
        "temperature": 0.1, "max_tokens": 50,
    }  # fmt: skip
    body = {"type": "persona", "id": persona, "name": "Critic", "driver": driver}
    with served.hub.client() as admin:
        admin.post("/v1/participants", json=body).raise_for_status()
    listed = {model["id"]: model for model in someone.client.get("/v1/models").json()["data"]}
    assert ("persona", 8192) == (listed[persona]["owned_by"], listed[persona]["context_window"])
    own = [{"role": "system", "content": "Rhyme."}, *HELLO]
    asked = {"model": persona, "messages": own, "temperature": 0.9}
    answer = someone.client.post(COMPLETIONS, json=asked).raise_for_status().json()
    sent = served.last_request()
    assert persona == answer["model"]
    assert [{"role": "system", "content": "You are harsh.\n\nRhyme."}, *HELLO] == sent["messages"]
    assert (0.9, 50) == (sent["temperature"], sent["max_tokens"])
    with served.hub.client() as admin:
        admin.delete(f"/v1/participants/{persona}").raise_for_status()
    error(someone.client.post(COMPLETIONS, json=asked), 404, "MODEL_NOT_FOUND")


@pytest.mark.parametrize("model", ["user_bob", "bot_design_reviewer", "persona_nobody"])
def test_who_is_no_persona_is_no_model(served: Served, model: str) -> None:
    error(served.complete(model), 404, "MODEL_NOT_FOUND")


# The server's faults.


@pytest.mark.parametrize("model", ["test/random", "test/json", "test/plain"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_text_is_the_servers_wherever_the_bytes_were_cut(
    served: Served, model: str, stream: bool
) -> None:
    answer = served.complete(model, stream=stream)
    if stream:
        *chunks, end = data_of(answer)
        pieces = [json.loads(chunk)["choices"][0]["delta"].get("content") for chunk in chunks]
        assert ("[DONE]", served.last_text()) == (end, "".join(p for p in pieces if p))
    else:
        assert served.last_text() == answer.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("test/status-401", 502, "BACKEND_ERROR"),
        ("test/status-404", 502, "BACKEND_ERROR"),
        ("test/status-500", 502, "BACKEND_ERROR"),
        ("test/status-400", 400, "BACKEND_ERROR"),
        ("test/status-429", 503, "MODEL_UNAVAILABLE"),
        ("keyless", 503, "MODEL_UNAVAILABLE"),
        ("test/html", 502, "BACKEND_ERROR"),
        ("test/gzip", 502, "BACKEND_ERROR"),
        ("test/error-event", 502, "BACKEND_ERROR"),
        ("test/silent", 504, "BACKEND_TIMEOUT"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_of_the_server_has_its_status_and_code(
    served: Served, model: str, status: int, code: str, stream: bool
) -> None:
    answer = served.complete(model, stream=stream)
    about = error(answer, status, code)
    assert "server_error" == about["type"] or status == 400
    assert served.hub.key not in answer.text
    if model == "test/status-429":
        assert "7" == answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("test/truncated", 502, "BACKEND_ERROR"),
        ("test/early-close", 502, "BACKEND_ERROR"),
        ("test/error-frame", 502, "BACKEND_ERROR"),
        ("test/hang", 504, "BACKEND_TIMEOUT"),
    ],
)
def test_a_reply_that_breaks_off_is_an_error_and_never_a_shorter_reply(
    served: Served, model: str, status: int, code: str
) -> None:
    error(served.complete(model), status, code)
    *chunks, failure, end = data_of(served.complete(model, stream=True))
    assert ("[DONE]", code) == (end, json.loads(failure)["error"]["code"])
    assert len(chunks) >= 2  # the role, and what was said before
    assert all(json.loads(chunk)["choices"][0]["finish_reason"] is None for chunk in chunks)


def test_a_fallback_answers_before_the_first_piece_and_never_after(served: Served) -> None:
    rescued = served.complete("rescued").json()
    assert ("rescued", GREETING) == (
        rescued["model"], rescued["choices"][0]["message"]["content"],
    )  # fmt: skip
    error(served.complete("late-rescue"), 502, "BACKEND_ERROR")


@pytest.mark.parametrize(
    ("model", "stream"),
    [("test/drip", True), ("test/drip", False), ("test/silent", True), ("test/silent", False)],
)
def test_a_client_that_leaves_ends_the_request_to_the_server(
    served: Served, model: str, stream: bool
) -> None:
    before = served.stats()
    body = {"model": model, "messages": HELLO, "stream": stream}
    with served.hub.client() as client:
        with pytest.raises(httpx.ReadTimeout):
            with client.stream("POST", COMPLETIONS, json=body, timeout=0.25) as answer:
                for _ in answer.iter_bytes():
                    served.stats(requests=before["requests"] + 1)
                    raise httpx.ReadTimeout("enough")
    served.stats(disconnects=before["disconnects"] + 1)


# What was used.


def test_completions_are_counted_by_key_model_and_cost(served: Served, someone: Person) -> None:
    tokens = []
    for stream in (False, True):
        body = {"model": "priced", "messages": HELLO, "stream": stream}
        someone.client.post(COMPLETIONS, json=body).raise_for_status()
        tokens.append(len(served.last_text()))
    with served.hub.client() as admin:
        for group_by, key in (("key", someone.key_id), ("participant", someone.id)):
            answer = admin.get("/v1/usage", params={"group_by": group_by}).json()["data"]
            (row,) = [item for item in answer["items"] if item["key"] == key]
            assert (2, 0, 22, sum(tokens)) == (
                row["completions"], row["runs"], row["prompt_tokens"], row["completion_tokens"],
            )  # fmt: skip
            assert pytest.approx(22 * 1 + sum(tokens) * 2) == row["cost"]
        models = admin.get("/v1/usage", params={"group_by": "model"}).json()["data"]["items"]
        assert {"priced"} <= {item["key"] for item in models}
    assert 403 == someone.client.get("/v1/usage").status_code


# Bad input.


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content"),
        ({"stream": "yes"}, "stream"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities[1]"),
    ],
)
def test_bad_input_is_refused_by_name(served: Served, fields: Json, param: str) -> None:
    answer = served.complete(**{"model": "builtin/echo"} | fields)
    about = error(answer, 400, "VALIDATION_ERROR")
    assert ("invalid_request_error", param) == (about["type"], about["param"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "VALIDATION_ERROR"),
        (b"[]", 400, "VALIDATION_ERROR"),
        (b"", 400, "VALIDATION_ERROR"),
        (b"{" + b" " * 2_200_000 + b"}", 413, "PAYLOAD_TOO_LARGE"),
        (b"[" * 100_000, 400, "VALIDATION_ERROR"),
    ],
)
def test_a_body_that_is_none_is_refused(
    served: Served, body: bytes, status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json"}
    with served.hub.client() as client:
        error(client.post(COMPLETIONS, content=body, headers=headers), status, code)
        error(client.get(COMPLETIONS), 405, "METHOD_NOT_ALLOWED")
        error(client.post(COMPLETIONS, data={"model": "x"}), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_long_conversation_fits(served: Served) -> None:
    asked = [{"role": "user", "content": "word " * 100_000}]
    assert 200 == served.complete("test/plain", messages=asked).status_code


def test_without_a_key_nothing_is_answered(served: Served) -> None:
    body = {"model": "builtin/echo", "messages": HELLO}
    answer = httpx.post(f"{served.hub.address}{COMPLETIONS}", json=body, trust_env=False)
    assert "authentication_error" == error(answer, 401, "AUTH_TOKEN_MISSING")["type"]


# Models that a tenant maps.


def test_a_mapped_model_answers_at_once_everywhere_and_its_key_is_never_shown(
    served: Served, someone: Person
) -> None:
    slug, secret = f"acme/{named('big')}", "sk-very-secret"
    body = {
        "base_url": served.endpoint.base_url, "upstream_model": "plain", "api_key": secret,
        "context_window": 4_096, "max_output_tokens": 512, "price": {"prompt": 1, "completion": 2},
    }  # fmt: skip
    with served.hub.client() as admin:
        put = admin.put(f"/v1/models/{slug}", json=body)
        assert (200, slug, 1) == (
            put.status_code, put.json()["data"]["id"], put.json()["data"]["keys"],
        )  # fmt: skip
        shown = [put, admin.get(f"/v1/models/{slug}"), admin.get("/v1/models")]
        assert not any(secret in answer.text for answer in shown)
        assert 4_096 == shown[1].json()["data"]["config"]["context_window"]
        assert "config" not in someone.client.get(f"/v1/models/{slug}").json()["data"]
        made = admin.post("/v1/sessions", json={"model": slug, "title": "x"}).json()["data"]
        path = f"/v1/sessions/{made['id']}/messages"
        sent = admin.post(path, json={"content": "hello"}).json()["data"]
        assert served.last_text() == sent["content"]
        said = _said(served.complete(slug))
        assert served.last_text() == said
        gone = admin.delete(f"/v1/models/{slug}")
        assert (200, True) == (gone.status_code, gone.json()["data"]["deleted"])
        error(served.complete(slug), 404, "MODEL_NOT_FOUND")
        assert 404 == admin.delete(f"/v1/models/{slug}").status_code
    assert secret not in "".join(served.hub.output)


def _said(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    ("slug", "body", "status", "field"),
    [
        ("x/y", {"base_url": "http://127.0.0.1:1/v1"}, 422, "base_url"),
        ("x/y", {"base_url": "https://169.254.169.254/v1"}, 422, "base_url"),
        ("x/y", {"base_url": "ftp://example.org"}, 422, "base_url"),
        ("x/y", {}, 422, "base_url"),
        ("x/y", {"alias_of": "no/such"}, 422, "alias_of"),
        ("x/y", {"alias_of": "builtin/echo", "api_key_env": "HOME"}, 422, "api_key_env"),
        ("x/y", {"alias_of": "builtin/echo", "api_key": ""}, 422, "api_key[0]"),
        ("x/y", {"alias_of": "builtin/echo", "context_window": "big"}, 422, "context_window"),
        ("x/y", {"alias_of": "builtin/echo", "price": {"prompt": -1}}, 422, "price.prompt"),
        ("a b", {"alias_of": "builtin/echo"}, 422, "slug"),
        ("canned", {"alias_of": "builtin/echo"}, 409, None),
        ("builtin/echo", {"alias_of": "builtin/eliza"}, 409, None),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_by_name(
    served: Served, slug: str, body: Json, status: int, field: str | None
) -> None:
    with served.hub.client() as admin:
        answer = admin.put(f"/v1/models/{slug}", json=body)
    assert status == answer.status_code, answer.text
    if field is not None:
        assert field == answer.json()["error"]["details"][0]["field"]


def test_only_admins_map_models(someone: Person) -> None:
    answer = someone.client.put("/v1/models/x/y", json={"alias_of": "builtin/echo"})
    assert (403, "AUTHZ_PERMISSION_DENIED") == (
        answer.status_code, answer.json()["error"]["code"],
    )  # fmt: skip
    assert 403 == someone.client.delete("/v1/models/x/y").status_code
