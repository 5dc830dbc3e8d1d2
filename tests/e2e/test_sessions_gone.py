"""A session that was soft-deleted is nowhere to be read by its user."""

from __future__ import annotations

import json

import pytest
from websockets.sync.client import connect

from tests.e2e.people import Person
from tests.e2e.refusals import check_answer
from tests.support.hub import HubProcess


@pytest.mark.parametrize("path", ["", "/messages", "/events", "/members"])
def test_a_deleted_session_is_not_read_as_a_room(person: Person, path: str) -> None:
    made = person.client.post("/v1/sessions", json={"model": "builtin/echo"}).json()["data"]
    url = f"/v1/sessions/{made['id']}"
    person.client.post(f"{url}/messages", json={"content": "secret"}).raise_for_status()
    person.client.delete(url).raise_for_status()
    answer = person.client.get(f"/v1/rooms/{made['id']}{path}")
    check_answer(answer, 404, "ROOM_NOT_FOUND")


def test_a_deleted_session_is_not_subscribed_to(hub: HubProcess, person: Person) -> None:
    made = person.client.post("/v1/sessions", json={"model": "builtin/echo"}).json()["data"]
    person.client.delete(f"/v1/sessions/{made['id']}").raise_for_status()
    with connect(hub.ws_address, additional_headers=person.headers, proxy=None) as socket:
        socket.recv(10)
        socket.send(json.dumps({"id": 1, "type": "subscribe", "room_id": made["id"], "since": 0}))
        assert not json.loads(socket.recv(10))["ok"]
