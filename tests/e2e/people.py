"""Participants with keys of their own, and the rooms the tests meet in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.support.hub import HubProcess

WAIT_S: Final = 20.0
ENDED: Final = frozenset({"succeeded", "silent", "failed", "cancelled", "suppressed"})


@dataclass(frozen=True, slots=True)
class Person:
    """A user and the client that calls with their key."""

    id: str
    key: str
    key_id: str
    client: httpx.Client

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def named(prefix: str) -> str:
    """A name nobody else uses on the shared hub."""
    return f"{prefix}_{uuid.uuid4().hex[:10]}"


def add_person(hub: HubProcess, prefix: str, role: str = "tenant_user") -> Person:
    """A new user of the tenant; close the client in the end."""
    user_id = named(f"user_{prefix}")
    with hub.client() as admin:
        body = {"type": "user", "id": user_id, "name": prefix.title()}
        admin.post("/v1/participants", json=body).raise_for_status()
        wanted = {"name": prefix, "participant_id": user_id, "role": role}
        made = admin.post("/v1/api-keys", json=wanted).raise_for_status().json()["data"]
    client = httpx.Client(
        base_url=hub.address,
        headers={"Authorization": f"Bearer {made['key']}"},
        timeout=60,
        trust_env=False,
    )
    return Person(user_id, made["key"], made["id"], client)


def add_room(owner: Person, members: Sequence[str] = (), **fields: Any) -> str:
    """The id of a new room of `owner` with these members."""
    listed = [{"type": member.split("_")[0], "id": member} for member in members]
    body = {"name": named("Room"), "initial_members": listed} | fields
    made = owner.client.post("/v1/rooms", json=body).raise_for_status().json()
    return str(made["data"]["id"])


def head_of(person: Person, room_id: str) -> int:
    """The last seq of the room's log."""
    return int(person.client.get(f"/v1/rooms/{room_id}").raise_for_status().json()["data"]["head"])


def finished(person: Person, run_id: str) -> dict[str, Any]:
    """The run once it has ended."""
    deadline = time.monotonic() + WAIT_S
    while True:
        run: dict[str, Any] = person.client.get(f"/v1/runs/{run_id}").json()["data"]
        if run["state"] in ENDED:
            return run
        assert time.monotonic() < deadline, f"the run is still {run['state']}"
        time.sleep(0.02)
