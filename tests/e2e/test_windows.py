"""A conversation that is longer than its model's window: what is dropped, and where it is said."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.people import Person, add_person
from tests.e2e.upstreams import Json, Served


@pytest.fixture
def someone(served: Served) -> Iterator[Person]:
    made = add_person(served.hub, "talker")
    with made.client:
        yield made


def say(someone: Person, session_id: str, content: str) -> Json:
    path = f"/v1/sessions/{session_id}/messages"
    answer: Json = someone.client.post(path, json={"content": content}).json()["data"]
    return answer


def test_a_long_session_keeps_its_prompt_and_drops_its_oldest_turns(
    served: Served, someone: Person
) -> None:
    body = {"model": "narrow", "system_prompt": "You are a pirate.", "title": "Long"}
    session_id = someone.client.post("/v1/sessions", json=body).json()["data"]["id"]
    assert 0 == say(someone, session_id, "the first words")["context"]["dropped"]
    for number in range(6):
        answer = say(someone, session_id, f"{number} " + "word " * 60)
    sent = served.last_request()["messages"]
    assert {"role": "system", "content": "You are a pirate."} == sent[0]
    assert ("user", True) == (sent[1]["role"], sent[-1]["content"].startswith("5 "))
    assert "the first words" not in json.dumps(sent)
    context = answer["context"]
    assert 13 == context["dropped"] + len(sent) - 1  # seven questions, six answers before the last
    assert 0 < context["tokens"] <= 500
    run, *_ = someone.client.get(f"/v1/rooms/{session_id}/runs").json()["data"]["items"]
    receipt = someone.client.get(f"/v1/runs/{run['id']}").json()["data"]["context"]
    assert (context["dropped"], len(sent) - 1) == (receipt["dropped"], len(receipt["message_ids"]))


def test_a_stream_says_it_in_its_last_chunk(served: Served, someone: Person) -> None:
    made = someone.client.post("/v1/sessions", json={"model": "narrow", "title": "x"}).json()
    path = f"/v1/sessions/{made['data']['id']}/messages"
    for _ in range(3):
        asked = {"content": "word " * 300, "stream": True}
        answer = someone.client.post(path, json=asked)
    *_, last, end = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert "[DONE]" == end
    assert json.loads(last)["context"]["dropped"] >= 4


def test_a_window_that_was_thought_larger_than_it_is_is_asked_for_less(
    served: Served, someone: Person
) -> None:
    """The hub estimates tokens; the server, which counts them, has the last word."""
    made = someone.client.post("/v1/sessions", json={"model": "optimistic", "title": "x"}).json()
    session_id = made["data"]["id"]
    for number in range(8):
        answer = say(someone, session_id, f"{number} " + "word " * 50)
        assert ("stop", served.last_text()) == (answer["finish_reason"], answer["content"])
    assert answer["context"]["dropped"] > 0


def test_one_message_that_no_window_holds_is_a_clear_failure(
    served: Served, someone: Person
) -> None:
    made = someone.client.post("/v1/sessions", json={"model": "optimistic", "title": "x"}).json()
    path = f"/v1/sessions/{made['data']['id']}/messages"
    refused = someone.client.post(path, json={"content": "word " * 300})
    assert (502, "BACKEND_ERROR") == (refused.status_code, refused.json()["error"]["code"])
    assert "maximum context length" in refused.json()["error"]["message"]
    stateless = served.complete("optimistic", "word " * 300)
    assert 400 == stateless.status_code
