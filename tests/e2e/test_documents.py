"""The documents as they are served, and what a hub really sends, held against them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.e2e.encodings import Encoding
from tests.e2e.listening import listening
from tests.e2e.people import Person, add_room
from tests.e2e.test_delivery import BOT, post
from tests.support.hub import HubProcess

TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None),
    "object": dict, "array": list,
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], at: str = "event") -> list[str]:
    """Where a value is not what its schema says: the part of JSON Schema that is used."""
    kinds = schema.get("type")
    if kinds is not None:
        names = [kinds] if isinstance(kinds, str) else kinds
        if not any(isinstance(value, TYPES[name]) for name in names):
            return [f"{at} is {value!r}, not {names}"]
    if "const" in schema and schema["const"] != value:
        return [f"{at} is {value!r}"]
    found: list[str] = []
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{at}.{name} is missing" for name in schema["required"] if name not in value]
        found += [
            f"{at}.{name} is not described" for name in value if name not in schema["properties"]
        ]
        for name, each in schema["properties"].items():
            found += faults(value[name], each, f"{at}.{name}") if name in value else []
    if isinstance(value, list):
        for item in value:
            found += faults(item, schema.get("items", {}), f"{at}[]")
    return found


def test_the_documents_are_served_to_everybody(hub: HubProcess) -> None:
    for path, kind in [("/openapi.json", "json"), ("/asyncapi.json", "json"), ("/docs", "html")]:
        answer = httpx.get(f"{hub.address}{path}", trust_env=False)
        assert 200 == answer.status_code
        assert kind in answer.headers["content-type"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_every_event_that_comes_is_as_the_document_says(
    hub: HubProcess, encoding: Encoding, person: Person, stranger: Person
) -> None:
    document = person.client.get("/asyncapi.json").json()
    room_id = add_room(person, [BOT["id"]])
    async with listening(hub, person, encoding) as mine:
        await mine.subscribe(room_id)
        post(person, room_id, "zxq81", mention=[BOT])
        await mine.until(lambda event: event["type"] == "run.finished")
        person.client.post(
            f"/v1/rooms/{room_id}/members", json={"type": "user", "id": stranger.id}
        ).raise_for_status()
        posted = (await mine.ask("post", room_id=room_id, content="first"))["data"]
        about = {"message_id": posted["id"]}
        await mine.ask("typing", room_id=room_id)
        await mine.ask("react", emoji="👍", **about)
        await mine.ask("unreact", emoji="👍", **about)
        await mine.ask("edit", content="second", **about)
        await mine.ask("delete", **about)
        await mine.ask("read", room_id=room_id, seq=posted["seq"])
        path = f"/v1/rooms/{room_id}"
        stranger.client.post(
            f"{path}/messages",
            json={"content": "hi", "mention": [{"type": "user", "id": person.id}]},
        ).raise_for_status()
        person.client.patch(
            f"{path}/members/{stranger.id}", json={"role": "admin"}
        ).raise_for_status()
        person.client.delete(f"{path}/members/{stranger.id}").raise_for_status()
        person.client.patch(path, json={"name": "Other"}).raise_for_status()
        person.client.delete(path).raise_for_status()
        await mine.until(lambda event: event["type"] == "room.archived")
        await mine.ask("ping")
    for event in mine.events:
        payload = document["components"]["messages"][f"event.{event['type']}"]["payload"]
        assert [] == faults(event, payload), event
    expected = {"message.delta", "presence", "typing", "mention", "read", "member.left"}
    assert expected <= {event["type"] for event in mine.events}
