"""Replies of sessions from outside: streamed, cut off, resumed, retried, stopped, failing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.people import Person, add_person, named
from tests.e2e.refusals import check_answer
from tests.models.server import ModelServer, run_model_server
from tests.support.hub import HubProcess, run_hub

MODELS = ("plain", "gated", "truncated", "status-401", "status-403", "html", "error-frame")


@dataclass(frozen=True, slots=True)
class Scene:
    """A hub whose models are those of a server that misbehaves on demand, and its user."""

    hub: HubProcess
    server: ModelServer
    person: Person

    def session(self, model: str, **fields: Any) -> str:
        """The path of a new session."""
        body = {"model": f"up/{model}", "title": "T"} | fields
        made = self.person.client.post("/v1/sessions", json=body).raise_for_status()
        return f"/v1/sessions/{made.json()['data']['id']}"

    def said(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.person.client.get(path).json()["data"]["messages"]
        return found

    def open_gates(self) -> None:
        url = f"http://127.0.0.1:{self.server.port}"
        with httpx.Client(trust_env=False) as client:
            client.post(f"{url}/open").raise_for_status()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("sessions")
    with run_model_server() as server:
        config = folder / "hub.toml"
        config.write_text("".join(_model(name, server) for name in MODELS))
        with run_hub(folder / "data", env={"HUB_CONFIG": str(config)}) as hub:
            person = add_person(hub, "reader")
            with person.client:
                yield Scene(hub, server, person)


def _model(name: str, server: ModelServer) -> str:
    return (
        f'[models."up/{name}"]\nbase_url = "{server.base_url}"\nupstream_model = "{name}"\n'
        "retries = 0\n"
    )


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; `data` is None for `[DONE]`."""

    data: dict[str, Any] | None
    id: str = ""
    kind: str = "message"

    @property
    def text(self) -> str:
        return self.data["choices"][0]["delta"].get("content", "") if self.data else ""


def events(answer: httpx.Response) -> Iterator[Event]:
    assert 200 == answer.status_code, answer.read()
    assert answer.headers["content-type"].startswith("text/event-stream")
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        data = None if fields["data"] == "[DONE]" else json.loads(fields["data"])
        yield Event(data, fields.get("id", ""), fields.get("event", "message"))
        fields = {}


def streamed(
    scene: Scene, path: str, content: str = "hello", headers: Mapping[str, str] | None = None
) -> Any:
    body = {"content": content, "stream": True}
    return scene.person.client.stream("POST", f"{path}/messages", json=body, headers=headers)


def test_every_event_is_a_chunk_and_the_last_has_the_usage(scene: Scene) -> None:
    path = scene.session("plain")
    with streamed(scene, path) as answer:
        found = list(events(answer))
    *chunks, done = found
    assert done.data is None
    shown = [event.data for event in chunks if event.data]
    assert {"chat.completion.chunk"} == {chunk["object"] for chunk in shown}
    assert all(set(chunk["choices"][0]) == {"index", "delta", "finish_reason"} for chunk in shown)
    assert [None] * (len(shown) - 1) + ["stop"] == [c["choices"][0]["finish_reason"] for c in shown]
    assert [False] * (len(shown) - 1) + [True] == ["usage" in chunk for chunk in shown]
    reply = scene.said(path)[-1]
    assert reply["content"] == "".join(event.text for event in chunks)
    assert {reply["id"]} == {chunk["id"] for chunk in shown}


def test_a_reply_goes_on_without_its_reader_and_is_resumed_where_it_was_cut(
    scene: Scene,
) -> None:
    path = scene.session("gated")
    with streamed(scene, path) as answer:
        first = next(event for event in events(answer) if event.text)
    headers = {"Last-Event-ID": first.id}
    with scene.person.client.stream("GET", f"{path}/stream", headers=headers) as answer:
        scene.open_gates()
        rest = list(events(answer))
    reply = scene.said(path)[-1]
    assert reply["content"] == first.text + "".join(event.text for event in rest)
    assert rest[-1].data is None
    with scene.person.client.stream("GET", f"{path}/stream", headers=headers) as answer:
        again = list(events(answer))
    assert "".join(e.text for e in rest) == "".join(e.text for e in again)
    done = {"Last-Event-ID": rest[-2].id}
    assert 204 == scene.person.client.get(f"{path}/stream", headers=done).status_code
    assert 204 == scene.person.client.get(f"{path}/stream").status_code


def test_a_second_reader_sees_the_running_reply_from_its_beginning(scene: Scene) -> None:
    path = scene.session("gated")
    with streamed(scene, path) as answer:
        source = events(answer)
        one = [next(event for event in source if event.text)]
        with scene.person.client.stream("GET", f"{path}/stream") as second:
            scene.open_gates()
            other = list(events(second))
        one += source
    assert "".join(e.text for e in one) == "".join(e.text for e in other)


def test_a_retry_attaches_to_the_running_reply_and_later_gets_the_same(scene: Scene) -> None:
    path, key = scene.session("gated"), {"Idempotency-Key": named("key")}
    with streamed(scene, path, headers=key) as answer:
        first = next(event for event in events(answer) if event.text)
    with streamed(scene, path, headers=key) as answer:
        source = events(answer)
        begun = [next(event for event in source if event.text)]
        scene.open_gates()
        begun += source
    assert first.text == begun[0].text
    body = {"content": "hello"}
    whole = [
        scene.person.client.post(f"{path}/messages", json=body, headers=key).json()["data"]
        for _ in range(2)
    ]
    assert whole[0] == whole[1]
    assert whole[0]["content"] == "".join(event.text for event in begun)
    assert 2 == len(scene.said(path))


def test_a_reply_that_is_stopped_keeps_its_text(scene: Scene) -> None:
    path = scene.session("gated")
    with streamed(scene, path) as answer:
        source = events(answer)
        first = next(event for event in source if event.text)
        stopped = scene.person.client.post(f"{path}/cancel").raise_for_status().json()["data"]
        assert ["cancelled"] == [run["state"] for run in stopped["runs"]]
        rest = [event for event in source if event.data]
    last = rest[-1].data
    assert last is not None
    assert "cancelled" == last["choices"][0]["finish_reason"]
    reply = scene.said(path)[-1]
    assert ("cancelled", "cancelled") == (reply["status"], reply["finish_reason"])
    assert reply["content"] == first.text + "".join(event.text for event in rest)


def test_regenerating_twice_with_one_key_is_regenerating_once(scene: Scene) -> None:
    path, key = scene.session("plain"), {"Idempotency-Key": named("key")}
    client = scene.person.client
    client.post(f"{path}/messages", json={"content": "hello"}).raise_for_status()
    first, again = (
        client.post(f"{path}/regenerate", json={}, headers=key).json()["data"] for _ in range(2)
    )
    assert first == again
    other = client.post(f"{path}/regenerate", json={"temperature": 0.5}, headers=key)
    assert (409, "IDEMPOTENCY_CONFLICT") == (other.status_code, other.json()["error"]["code"])
    assert first["message_id"] == scene.said(path)[-1]["id"]


def test_regenerating_takes_the_place_of_the_reply(scene: Scene) -> None:
    path = scene.session("plain")
    scene.person.client.post(f"{path}/messages", json={"content": "hello"}).raise_for_status()
    asked, first = scene.said(path)
    again = scene.person.client.post(f"{path}/regenerate")
    assert 201 == again.status_code
    data = again.json()["data"]
    assert asked == data["user_message"]
    assert first["id"] != data["message_id"]
    assert [asked["id"], data["message_id"]] == [m["id"] for m in scene.said(path)]
    body = {"stream": True}
    with scene.person.client.stream("POST", f"{path}/regenerate", json=body) as answer:
        text = "".join(event.text for event in events(answer))
    assert [asked["content"], text] == [m["content"] for m in scene.said(path)]
    assert 2 == scene.person.client.get(path).json()["data"]["message_count"]


def test_an_edit_is_answered_again(scene: Scene) -> None:
    path = scene.session("plain")
    scene.person.client.post(f"{path}/messages", json={"content": "helo"}).raise_for_status()
    asked = scene.said(path)[0]
    url = f"{path}/messages/{asked['id']}"
    edited = scene.person.client.patch(url, json={"content": "hello"})
    assert 200 == edited.status_code
    shown = scene.said(path)
    assert ["hello", edited.json()["data"]["content"]] == [m["content"] for m in shown]
    assert shown[0]["edited_at"] is not None
    gone = scene.person.client.patch(f"{path}/messages/msg_none", json={"content": "x"})
    check_answer(gone, 404, "MESSAGE_NOT_FOUND")


@pytest.mark.parametrize("model", ["status-401", "html"])
def test_a_failing_upstream_is_told_and_stays_in_the_history(scene: Scene, model: str) -> None:
    path = scene.session(model)
    answer = scene.person.client.post(f"{path}/messages", json={"content": "hello"})
    check_answer(answer, 502, "BACKEND_ERROR")
    assert ["final", "failed"] == [m["status"] for m in scene.said(path)]


@pytest.mark.parametrize("model", ["truncated", "error-frame", "status-403"])
def test_a_stream_that_fails_says_so_and_is_done(scene: Scene, model: str) -> None:
    path = scene.session(model)
    with streamed(scene, path) as answer:
        *_, failure, done = events(answer)
    assert ("error", None) == (failure.kind, done.data)
    assert failure.data is not None
    assert "BACKEND_ERROR" == failure.data["code"]
    assert failure.data["message"]
    assert {} == failure.data["choices"][0]["delta"]


def test_a_place_of_another_session_is_refused(scene: Scene) -> None:
    path, other = scene.session("plain"), scene.session("plain")
    with streamed(scene, path) as answer:
        place = next(event for event in events(answer) if event.text).id
    wrong = scene.person.client.get(f"{other}/stream", headers={"Last-Event-ID": place})
    check_answer(wrong, 422, "VALIDATION_ERROR", ["Last-Event-ID"])


def test_a_session_that_rejects_says_so_while_a_reply_is_written(scene: Scene) -> None:
    path = scene.session("gated", busy="reject")
    with streamed(scene, path) as answer:
        source = events(answer)
        next(event for event in source if event.text)
        for call, sub in (("POST", "messages"), ("POST", "regenerate")):
            body = {"content": "more"} if sub == "messages" else {}
            busy = scene.person.client.request(call, f"{path}/{sub}", json=body)
            check_answer(busy, 409, "SESSION_BUSY")
        scene.open_gates()
        list(source)
    assert 2 == len(scene.said(path))


def test_a_session_that_interrupts_goes_on_with_the_newest(scene: Scene) -> None:
    path = scene.session("gated", busy="interrupt")
    with streamed(scene, path) as answer:
        source = events(answer)
        next(event for event in source if event.text)
        with streamed(scene, path, "more") as newer:
            last = [event.data for event in source if event.data][-1]
            assert "cancelled" == last["choices"][0]["finish_reason"]
            other = events(newer)
            next(event for event in other if event.text)
            scene.open_gates()
            list(other)
    said = [(m["role"], m["status"]) for m in scene.said(path)]
    assert [("user", "final")] * 2 == [each for each in said if each[0] == "user"]
    assert [("assistant", "cancelled"), ("assistant", "final")] == [
        each for each in said if each[0] == "assistant"
    ]
