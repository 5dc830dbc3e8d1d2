"""What the browser tests make for themselves: people, AI participants, rooms and windows."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser
from websockets.asyncio.client import connect

from tests.browser.voice import SLUG
from tests.browser.windows import WAIT_MS, Window, open_tab, open_window
from tests.client.proxy import Proxy
from tests.e2e.people import Person, add_person, add_room
from tests.support.hub import HubProcess


@dataclass
class Desk:
    """Makes what a test needs: people, AI participants, rooms, windows."""

    hub: HubProcess
    chromium: Browser
    proxy: Proxy
    windows: list[Window] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)

    def person(self, name: str, role: str = "tenant_user") -> Person:
        person = add_person(self.hub, name, role)
        self.people.append(person)
        return person

    def persona(self, model: str = SLUG) -> tuple[str, str]:
        """The id and the handle of a persona of this model."""
        handle = f"poet-{uuid.uuid4().hex[:8]}"
        body = {"type": "persona", "id": f"persona_{handle}", "name": "Poet", "handle": handle}
        driver = {"driver": {"kind": "model", "model": model}}
        with self.hub.client() as admin:
            admin.post("/v1/participants", json=body | driver).raise_for_status()
        return f"persona_{handle}", handle

    def room(self, owner: Person, *members: str, **fields: Any) -> str:
        return add_room(owner, members, **fields)

    def session(self, owner: Person, **fields: Any) -> str:
        """The id of a session of theirs, with the voice unless another `model` is named."""
        body = {"model": SLUG} | fields
        made = owner.client.post("/v1/sessions", json=body).raise_for_status().json()
        return str(made["data"]["id"])

    async def window(self, person: Person, *, cuttable: bool = False, **context: Any) -> Window:
        """A window of a context of its own; a `cuttable` one reaches the hub through the proxy."""
        address = self.proxy.address if cuttable else self.hub.address
        window = await open_window(self.chromium, person.client, address, **context)
        self.windows.append(window)
        return window

    async def tab(self, beside: Window) -> Window:
        """Another window of the same context: the same storage, and so the same session."""
        window = await open_tab(beside.page.context, beside.client, beside.address)
        self.windows.append(window)
        return window


def stored(person: Person, room_id: str) -> list[dict[str, Any]]:
    """All messages of a room as REST returns them, oldest first."""
    path = f"/v1/rooms/{room_id}/messages"
    items: list[dict[str, Any]] = []
    query: dict[str, int] = {"limit": 200}
    while True:
        page = person.client.get(path, params=query).raise_for_status().json()
        items = sorted(page["data"]["items"], key=lambda item: item["seq"]) + items
        if not page["pagination"]["has_more"]:
            return items
        query = {"limit": 200, "before": items[0]["seq"]}


def post(person: Person, room_id: str, *texts: str) -> list[str]:
    """Post by REST; the ids of the messages."""
    path = f"/v1/rooms/{room_id}/messages"
    answers = [person.client.post(path, json={"content": text}) for text in texts]
    return [str(answer.raise_for_status().json()["data"]["id"]) for answer in answers]


async def flood(hub: HubProcess, person: Person, room_id: str, texts: list[str]) -> None:
    """Post very many, one after the other without waiting, over a WebSocket."""
    async with connect(hub.ws_address, additional_headers=person.headers, proxy=None) as socket:
        for at, text in enumerate(texts):
            command = {"id": at, "type": "post", "room_id": room_id, "content": text}
            await socket.send(json.dumps(command))
        left = len(texts)
        while left:
            frame = json.loads(await socket.recv())
            assert frame.get("ok", True), frame
            left -= frame["type"] == "reply"


async def until(holds: Callable[[], object]) -> None:
    """Wait for something that no window shows."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.02)
