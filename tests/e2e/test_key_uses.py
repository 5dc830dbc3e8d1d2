"""`last_used_at` of API keys from outside: which keys are in use, and which can be revoked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect

from hub.core.times import parse_rfc3339
from hub.parts import now_ms
from tests.cli.command import roomhub
from tests.e2e.people import Person, add_person
from tests.support.hub import HubProcess, run_hub


def make_key(person: Person) -> dict[str, Any]:
    made: dict[str, Any] = (
        person.client.post("/v1/api-keys", json={"name": "k"}).raise_for_status().json()["data"]
    )
    return made


def last_used(person: Person, key_id: str) -> str | None:
    found = person.client.get("/v1/api-keys?limit=200").raise_for_status().json()["data"]["items"]
    (used,) = (key["last_used_at"] for key in found if key["id"] == key_id)
    return str(used) if used else None


def get(hub: HubProcess, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{hub.address}/v1/me", headers=headers, trust_env=False).status_code


def test_a_key_that_nobody_used_can_be_told_from_one_in_use(
    hub: HubProcess, person: Person
) -> None:
    idle, busy = make_key(person), make_key(person)
    assert idle["last_used_at"] is None
    began = now_ms()
    assert 200 == get(hub, busy["key"])
    assert 401 == get(hub, idle["key"] + "x")
    used = last_used(person, busy["id"])
    assert used is not None
    assert began <= parse_rfc3339(used) <= now_ms()
    assert last_used(person, idle["id"]) is None
    own = last_used(person, person.key_id)
    assert own is not None
    assert own >= used


def test_a_connection_that_is_open_uses_its_key(hub: HubProcess, person: Person) -> None:
    made = make_key(person)
    headers = {"Authorization": f"Bearer {made['key']}"}
    with connect(hub.ws_address, additional_headers=headers, proxy=None) as socket:
        assert "hello" == json.loads(socket.recv(10))["type"]
        first = last_used(person, made["id"])
        assert first is not None
        deadline = time.monotonic() + 5
        while (later := last_used(person, made["id"])) == first:
            assert time.monotonic() < deadline, "it was used when it came, and no more"
        assert later is not None
        assert later > first
        gone = person.client.delete(f"/v1/api-keys/{made['id']}").raise_for_status()
        assert gone.json()["data"]["last_used_at"] is not None


def test_what_was_used_is_known_after_a_restart_and_in_the_list_of_keys(tmp_path: Path) -> None:
    with run_hub(tmp_path) as hub:
        person = add_person(hub, "person")
        with person.client:
            made, idle = make_key(person), make_key(person)
            assert 200 == get(hub, made["key"])
            used = last_used(person, made["id"])
        assert 0 == hub.stop()
        listed = {
            key["id"]: key for key in roomhub("keys", "list", "--json", data_dir=tmp_path).json
        }
        assert (used, None) == tuple(listed[k]["last_used_at"] for k in (made["id"], idle["id"]))
        table = roomhub("keys", "list", data_dir=tmp_path).out
        assert "last_used" in table.splitlines()[0]
