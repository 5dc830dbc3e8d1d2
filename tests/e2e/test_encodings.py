"""What happens in a room is told in JSON and in MessagePack alike: the same maps, one for one."""

from __future__ import annotations

import asyncio

from tests.e2e.encodings import ENCODINGS, Encoding
from tests.e2e.listening import Event, Listener, listening
from tests.e2e.people import Person, add_room
from tests.support.hub import HubProcess

BOT = "bot_design_reviewer"
SAID = 'naïve 日本語 👩‍👩‍👧 \u2028 \\ " 9007199254740991'
KINDS = {
    "message.created", "message.updated", "message.deleted", "reaction.added", "reaction.removed",
    "member.joined", "member.left", "room.updated", "run.queued", "message.delta", "run.finished",
}  # fmt: skip


async def _everything(listener: Listener, person: Person, stranger: Person, room_id: str) -> None:
    """Whatever the members of a room can do, and an AI that answers."""
    posted = await listener.ask("post", room_id=room_id, content=SAID, client_id="k")
    message_id = posted["data"]["id"]
    for kind, fields in (
        ("react", {"emoji": "👍"}), ("unreact", {"emoji": "👍"}),
        ("edit", {"content": SAID * 2}), ("delete", {}),
    ):  # fmt: skip
        assert (await listener.ask(kind, message_id=message_id, **fields))["ok"]
    members = f"/v1/rooms/{room_id}/members"
    joins = {"type": "user", "id": stranger.id}
    person.client.post(members, json=joins).raise_for_status()
    person.client.delete(f"{members}/{stranger.id}").raise_for_status()
    person.client.patch(f"/v1/rooms/{room_id}", json={"name": "Ünïcode"}).raise_for_status()
    mention = [{"type": "bot", "id": BOT}]
    await listener.ask("post", room_id=room_id, content="I am sad", mention=mention)


async def _hears(hub: HubProcess, person: Person, encoding: Encoding, room_id: str,
                 ready: asyncio.Barrier) -> list[Event]:  # fmt: skip
    """All that one connection is told of the room until the AI has answered."""
    async with listening(hub, person, encoding) as listener:
        await listener.subscribe(room_id)
        await ready.wait()
        await listener.until(lambda event: event["type"] == "run.finished")
        return [event for event in listener.events if event["type"] in KINDS]


async def test_both_encodings_tell_the_same(
    hub: HubProcess, person: Person, stranger: Person
) -> None:
    room_id, ready = add_room(person, [BOT]), asyncio.Barrier(3)
    async with asyncio.TaskGroup() as group:
        hearing = [group.create_task(_hears(hub, person, e, room_id, ready)) for e in ENCODINGS]
        async with listening(hub, person) as listener:
            await ready.wait()
            await _everything(listener, person, stranger, room_id)
    text, packed = [task.result() for task in hearing]
    assert set() == KINDS - {event["type"] for event in text}
    assert text == packed
