"""Edits, deletions, reactions and read marks, by socket in both encodings and by REST."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.encodings import Encoding
from tests.e2e.listening import listening
from tests.e2e.people import Person, add_room, head_of
from tests.e2e.test_delivery import log_of, post
from tests.support.hub import HubProcess


async def test_a_message_is_edited_reacted_to_and_deleted_before_everybodys_eyes(
    hub: HubProcess, encoding: Encoding, person: Person, stranger: Person
) -> None:
    room_id = add_room(person, [stranger.id])
    async with listening(hub, person, encoding) as mine, listening(hub, stranger) as theirs:
        await theirs.subscribe(room_id)
        said = (await mine.ask("post", room_id=room_id, content="first"))["data"]
        about = {"message_id": said["id"]}
        seqs = [
            (await mine.ask("edit", content="second", **about))["data"]["seq"],
            (await mine.ask("react", emoji="👍🏽", **about))["data"]["seq"],
            (await mine.ask("unreact", emoji="👍🏽", **about))["data"]["seq"],
            (await mine.ask("delete", **about))["data"]["seq"],
        ]
        again = await mine.ask("delete", **about)
        assert {"seq": None} == again["data"]
        await theirs.until_seq(seqs[-1])
    assert [said["seq"], *seqs] == theirs.seqs
    updated, added, removed, deleted = theirs.durable[1:]
    assert ("message.updated", "second") == (updated["type"], updated["data"]["content"])
    assert updated["data"]["edited_at"]
    reaction = {"message_id": said["id"], "emoji": "👍🏽"}
    reaction |= {"participant": {"type": "user", "id": person.id}}
    assert ("reaction.added", reaction) == (added["type"], added["data"])
    assert ("reaction.removed", reaction) == (removed["type"], removed["data"])
    assert ("message.deleted", "", said["id"]) == (
        deleted["type"], deleted["data"]["content"], deleted["data"]["id"],
    )  # fmt: skip
    assert "second" not in str(log_of(person, room_id))


def test_the_same_by_rest(person: Person, stranger: Person) -> None:
    room_id = add_room(person, [stranger.id])
    path = f"/v1/rooms/{room_id}/messages/{post(person, room_id, 'first')['id']}"
    edited = person.client.patch(path, json={"content": "second"}).raise_for_status().json()
    assert ("second", True) == (edited["data"]["content"], bool(edited["data"]["edited_at"]))
    thumb = f"{path}/reactions/{quote('👍')}"
    for who in (person, stranger):
        reacted = who.client.put(thumb).raise_for_status().json()["data"]
    assert {"👍": [person.id, stranger.id]} == reacted["reactions"]
    taken_back = stranger.client.delete(thumb).raise_for_status().json()["data"]
    assert {"👍": [person.id]} == taken_back["reactions"]
    listed = person.client.get(f"/v1/rooms/{room_id}/messages").json()["data"]["items"]
    assert {"👍": [person.id]} == listed[0]["reactions"]
    assert 403 == stranger.client.patch(path, json={"content": "not mine"}).status_code
    assert 403 == stranger.client.delete(path).status_code
    gone = person.client.delete(path).raise_for_status().json()["data"]
    assert ("", {}, True) == (gone["content"], gone["reactions"], bool(gone["deleted_at"]))
    assert gone == person.client.get(path).json()["data"]
    assert 404 == person.client.patch(path, json={"content": "third"}).status_code


@pytest.mark.parametrize("emoji", ["", "two words", "a" * 65, "line\nbreak", "\u0000"])
async def test_a_reaction_that_is_none_is_named(
    hub: HubProcess, encoding: Encoding, person: Person, emoji: str
) -> None:
    room_id = add_room(person)
    message_id = post(person, room_id, "first")["id"]
    async with listening(hub, person, encoding) as mine:
        refused = await mine.ask("react", message_id=message_id, emoji=emoji)
    assert "emoji" == refused["error"]["details"][0]["field"]
    if emoji:
        path = f"/v1/rooms/{room_id}/messages/{message_id}/reactions/{quote(emoji)}"
        answer = person.client.put(path)
        assert (422, "emoji") == (
            answer.status_code, answer.json()["error"]["details"][0]["field"],
        )  # fmt: skip


async def test_what_is_read_on_one_connection_is_known_on_the_others(
    hub: HubProcess, encoding: Encoding, person: Person, stranger: Person
) -> None:
    room_id = add_room(person, [stranger.id])
    seqs = [post(person, room_id, f"@{stranger.id[5:]} {n}")["seq"] for n in range(3)]
    assert (3, 3, None) == place(stranger, room_id)
    async with (
        listening(hub, stranger, encoding) as phone,
        listening(hub, stranger, encoding) as laptop,
    ):
        assert (await laptop.ask("ping"))["ok"]
        assert (await phone.ask("read", room_id=room_id, seq=seqs[1]))["ok"]
        told = await laptop.until(lambda event: event["type"] == "read")
        assert (room_id, seqs[1], 1) == (
            told["data"]["room_id"], told["data"]["seq"], told["data"]["unread"],
        )  # fmt: skip
        refused = await phone.ask("read", room_id=room_id, seq=10**6)
        assert "seq" == refused["error"]["details"][0]["field"]
    assert (1, 1, seqs[1]) == place(stranger, room_id)
    body = {"seq": seqs[2]}
    marked = stranger.client.post(f"/v1/rooms/{room_id}/read", json=body).raise_for_status()
    assert 0 == marked.json()["data"]["unread"]
    assert (0, 0, seqs[2]) == place(stranger, room_id)
    assert (0, 0, None) == place(person, room_id)


def place(person: Person, room_id: str) -> tuple[int, int, int | None]:
    """Unread messages, unread mentions and the mark, as both views of the room have them."""
    rooms = person.client.get("/v1/rooms", params={"limit": 200}).json()["data"]["items"]
    (listed,) = [room for room in rooms if room["id"] == room_id]
    whole = person.client.get(f"/v1/rooms/{room_id}").json()["data"]
    names = ("unread", "mentions", "read_seq")
    assert [listed[name] for name in names] == [whole[name] for name in names]
    return listed["unread"], listed["mentions"], listed["read_seq"]


def test_messages_around_a_seq_and_on_from_there(person: Person) -> None:
    room_id = add_room(person)
    seqs = [post(person, room_id, f"{n}")["seq"] for n in range(12)]
    path = f"/v1/rooms/{room_id}/messages"

    def page(**query: Any) -> tuple[list[int], str | None]:
        answer = person.client.get(path, params=query).raise_for_status().json()
        cursor = answer["pagination"]["next_cursor"]
        return [message["seq"] for message in answer["data"]["items"]], cursor

    found, cursor = page(around=seqs[5], limit=4)
    assert seqs[4:8] == found
    assert (seqs[8:], None) == page(cursor=cursor, limit=4)
    assert seqs[:4] == page(around=0, limit=4)[0]
    assert (seqs[-2:], None) == page(around=seqs[-1] + 50, limit=4)
    assert head_of(person, room_id) == seqs[-1]
    both = person.client.get(path, params={"around": 1, "before": 2})
    assert 422 == both.status_code
