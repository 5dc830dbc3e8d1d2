"""A key whose scopes are ["read"]: it reads and listens, and changes nothing by any way in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from hub.gateway.commands import COMMANDS
from hub.gateway.rest.call import Operation
from hub.gateway.rest.table import OPERATIONS
from tests.e2e.encodings import Encoding
from tests.e2e.listening import listening
from tests.e2e.people import Person, add_room, named
from tests.support.hub import HubProcess

DENIED = "AUTHZ_PERMISSION_DENIED"
LISTENING = ("subscribe", "unsubscribe", "ping", "auth")
CHANGING = [each for each in OPERATIONS if each.method != "GET" and not each.reads]


@contextmanager
def using(hub: HubProcess, key: str, owner: Person) -> Iterator[Person]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=hub.address, headers=headers, trust_env=False) as client:
        yield Person(owner.id, key, "", client)


@pytest.fixture
def reader(hub: HubProcess, person: Person) -> Iterator[Person]:
    """The person, with a key that only reads."""
    made = person.client.post("/v1/api-keys", json={"name": "screen", "scopes": ["read"]})
    assert ["read"] == made.json()["data"]["scopes"]
    with using(hub, made.json()["data"]["key"], person) as found:
        yield found


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


@pytest.mark.parametrize("operation", CHANGING, ids=lambda each: f"{each.method} {each.path}")
def test_no_operation_that_changes_anything_is_done(reader: Person, operation: Operation) -> None:
    path = re.sub(r"\{[^}]+\}", "x", operation.path)
    answer = reader.client.request(operation.method, path, json={})
    assert (403, DENIED) == (answer.status_code, code(answer))
    assert "scopes lack write" in answer.text


def test_it_reads_what_its_participant_may_read_and_nothing_else(
    person: Person, stranger: Person, reader: Person
) -> None:
    mine, foreign = add_room(person), add_room(stranger)
    person.client.post(f"/v1/rooms/{mine}/messages", json={"content": "hello"})
    seen = reader.client.get(f"/v1/rooms/{mine}").raise_for_status().json()["data"]
    assert ["hello"] == [each["content"] for each in seen["recent_messages"]]
    assert 404 == reader.client.get(f"/v1/rooms/{foreign}").status_code
    assert ["read"] == reader.client.get("/v1/me").json()["data"]["scopes"]
    assert ["read", "write"] == person.client.get("/v1/me").json()["data"]["scopes"]


async def test_it_hears_a_room_and_no_command_of_it_changes_anything(
    hub: HubProcess, person: Person, reader: Person, encoding: Encoding
) -> None:
    room_id = add_room(person)
    async with listening(hub, reader, encoding) as line:
        assert (await line.ask("subscribe", room_id=room_id))["ok"]
        for kind in COMMANDS.keys() - LISTENING:
            fields = {
                "room_id": room_id, "content": "no", "message_id": "msg_x", "emoji": "+1",
                "run_id": "run_x", "offset": 0, "text": "no", "message": "no", "seq": 1,
            }  # fmt: skip
            known = COMMANDS[kind].model_fields
            given = {name: value for name, value in fields.items() if name in known}
            refused = await line.ask(kind, **given)
            assert DENIED == refused["error"]["code"], kind
        person.client.post(f"/v1/rooms/{room_id}/messages", json={"content": "yes"})
        while "yes" not in line.contents:
            assert (await line.ask("ping"))["ok"]
        assert ["yes"] == line.contents


def test_what_it_hands_out_may_do_no_more(hub: HubProcess, reader: Person) -> None:
    ticket = reader.client.post("/v1/tickets", json={"purpose": "login"}).raise_for_status()
    body = {"ticket": ticket.json()["data"]["ticket"]}
    with httpx.Client(base_url=hub.address, trust_env=False) as nobody:
        key = nobody.post("/v1/login", json=body).raise_for_status().json()["data"]["key"]
    with using(hub, key, reader) as web:
        assert ["read"] == web.client.get("/v1/me").json()["data"]["scopes"]
        assert 403 == web.client.post("/v1/rooms", json={"name": "no"}).status_code


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "read"], ["admin"], "read", None])
def test_other_scopes_are_refused_by_name(person: Person, scopes: object) -> None:
    answer = person.client.post("/v1/api-keys", json={"name": "k", "scopes": scopes})
    assert 422 == answer.status_code
    (detail,) = answer.json()["error"]["details"]
    assert detail["field"].startswith("scopes")


async def test_a_bot_that_only_listens_is_offered_no_run(
    hub: HubProcess, person: Person, encoding: Encoding
) -> None:
    bot_id = named("bot_deaf")
    with hub.client() as admin:
        body = {"type": "bot", "id": bot_id, "name": "Deaf", "driver": {"kind": "socket"}}
        admin.post("/v1/participants", json=body).raise_for_status()
        wanted = {"name": "k", "participant_id": bot_id}
        keys = [
            admin.post("/v1/api-keys", json=wanted | scopes).json()["data"]["key"]
            for scopes in ({"scopes": ["read"]}, {})
        ]
    room_id = add_room(person, [bot_id])
    whole, only = (Person(bot_id, key, "", person.client) for key in reversed(keys))
    async with listening(hub, only, encoding) as deaf, listening(hub, whole, encoding) as bot:
        mention = {"content": "hello", "mention": [{"type": "bot", "id": bot_id}]}
        person.client.post(f"/v1/rooms/{room_id}/messages", json=mention).raise_for_status()
        await bot.until(lambda event: event["type"] == "run.offered")
        async with listening(hub, only, encoding) as late:
            for line in (deaf, late):
                for _ in range(3):  # an offer may come behind an answer
                    assert (await line.ask("ping"))["ok"]
                assert [] == [e for e in line.events if e["type"] == "run.offered"]
