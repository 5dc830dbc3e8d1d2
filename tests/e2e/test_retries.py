"""A retry with the same key is the same request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.e2e.people import Person, add_room, head_of, named
from tests.e2e.refusals import INVALID, Stage, check, check_answer
from tests.support.hub import HubProcess


def test_the_same_key_with_the_same_body_is_the_same_post(person: Person) -> None:
    room_id = add_room(person)
    url, key = f"/v1/rooms/{room_id}/messages", {"Idempotency-Key": named("key")}
    first = person.client.post(url, json={"content": "once"}, headers=key)
    head = head_of(person, room_id)
    again = person.client.post(url, json={"content": "once"}, headers=key)
    assert (201, first.json()) == (again.status_code, again.json())
    assert head == head_of(person, room_id)
    other = person.client.post(url, json={"content": "twice"}, headers=key)
    check_answer(other, 409, "IDEMPOTENCY_CONFLICT")
    assert head == head_of(person, room_id)


def test_a_key_belongs_to_one_room_and_one_author(person: Person, stranger: Person) -> None:
    room_ids = [add_room(person, [stranger.id]) for _ in range(2)]
    key = {"Idempotency-Key": named("key")}
    made = {
        author.client.post(
            f"/v1/rooms/{room_id}/messages", json={"content": author.id + room_id}, headers=key
        ).raise_for_status().json()["data"]["id"]
        for author in (person, stranger)
        for room_id in room_ids
    }  # fmt: skip
    assert 4 == len(made)


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("/v1/rooms", {"name": "Once"}, {"name": "Twice"}),
        ("/v1/sessions", {"model": "builtin/eliza"}, {"model": "builtin/echo"}),
    ],
)
def test_the_same_key_makes_one_room_or_session(
    person: Person, path: str, body: dict[str, Any], other: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": named("key")}
    first, again = (person.client.post(path, json=body, headers=key) for _ in range(2))
    assert (201, 201, first.json()) == (first.status_code, again.status_code, again.json())
    conflict = person.client.post(path, json=other, headers=key)
    check_answer(conflict, 409, "IDEMPOTENCY_CONFLICT")
    assert 1 == len(person.client.get(path).json()["data"]["items"])


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_an_idempotency_key_has_1_to_200_characters(stage: Stage, key: str) -> None:
    answer = stage.owner.client.post(
        "/v1/rooms", json={"name": "n"}, headers={"Idempotency-Key": key}
    )
    check_answer(answer, 422, INVALID, ["Idempotency-Key"])


def test_a_client_id_makes_a_retry_the_same_post_on_the_socket_and_by_rest(
    hub: HubProcess, person: Person
) -> None:
    room_id, client_id = add_room(person), named("client")
    body = {"content": "once", "client_id": client_id}
    command = {"type": "post", "room_id": room_id} | body
    with connect(hub.ws_address, additional_headers=person.headers, proxy=None) as socket:
        socket.recv(10)
        first, again = (_ask(socket, {"id": number} | command) for number in (1, 2))
        assert [(1, True), (2, True)] == [(r["id"], r["ok"]) for r in (first, again)]
        assert first["data"] == again["data"]
        conflict = _ask(socket, command | {"id": 3, "content": "twice"})
        check(conflict["error"], "IDEMPOTENCY_CONFLICT", [])
    posted = person.client.post(f"/v1/rooms/{room_id}/messages", json=body).json()["data"]
    assert (first["data"]["id"], client_id) == (posted["id"], posted["client_id"])
    assert first["data"]["seq"] == head_of(person, room_id)


def _ask(socket: ClientConnection, command: dict[str, Any]) -> Any:
    socket.send(json.dumps(command))
    return json.loads(socket.recv(10))


def test_two_idempotency_keys_are_refused(person: Person) -> None:
    headers = [("Idempotency-Key", named("a")), ("Idempotency-Key", named("b"))]
    answer = person.client.post("/v1/rooms", json={"name": "n"}, headers=headers)
    check_answer(answer, 422, INVALID, ["Idempotency-Key"])


def test_the_same_key_brings_the_same_ticket_and_it_is_good_once(
    hub: HubProcess, person: Person
) -> None:
    key = {"Idempotency-Key": named("key")}
    first, again = (
        person.client.post("/v1/tickets", json={"purpose": "ws"}, headers=key) for _ in range(2)
    )
    assert (201, 201, first.json()) == (first.status_code, again.status_code, again.json())
    other = person.client.post("/v1/tickets", json={"purpose": "login"}, headers=key)
    check_answer(other, 409, "IDEMPOTENCY_CONFLICT")
    address = f"{hub.ws_address}?ticket={first.json()['data']['ticket']}"
    with connect(address, proxy=None) as socket:
        assert person.id == json.loads(socket.recv(10))["participant"]["id"]
    person.client.post("/v1/tickets", json={"purpose": "ws"}, headers=key).raise_for_status()
    with connect(address, proxy=None) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(10)
    assert closed.value.rcvd is not None
    assert 4401 == closed.value.rcvd.code


def test_a_ticket_of_one_key_is_not_that_of_another_of_the_same_participant(
    hub: HubProcess, person: Person
) -> None:
    """It may do less."""
    made = person.client.post("/v1/api-keys", json={"name": "second"}).json()["data"]["key"]
    tickets = {
        person.client.post(
            "/v1/tickets", json={"purpose": "ws"},
            headers={"Idempotency-Key": "the same", "Authorization": f"Bearer {key}"},
        ).raise_for_status().json()["data"]["ticket"]
        for key in (person.key, made)
    }  # fmt: skip
    assert 2 == len(tickets)
