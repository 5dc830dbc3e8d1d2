"""Who is there and who types, seen from outside in both encodings."""

from __future__ import annotations

from tests.e2e.encodings import Encoding
from tests.e2e.listening import listening
from tests.e2e.people import Person, add_room
from tests.support.hub import HubProcess


async def test_people_see_each_other_come_type_and_go(
    hub: HubProcess, encoding: Encoding, person: Person, stranger: Person
) -> None:
    room_id = add_room(person, [stranger.id])
    async with listening(hub, person, encoding) as mine:
        await mine.subscribe(room_id)
        await mine.until(lambda e: e["type"] == "presence" and named(e, "joined", person))
        async with listening(hub, stranger, encoding) as theirs:
            told = await theirs.subscribe(room_id)
            assert [{"type": "user", "id": person.id}] == told["presence"]["participants"]
            await mine.until(lambda e: e["type"] == "presence" and named(e, "joined", stranger))
            assert (await theirs.ask("typing", room_id=room_id))["ok"]
            typing = await mine.until(lambda e: e["type"] == "typing")
            assert stranger.id == typing["data"]["participant"]["id"]
        await mine.until(lambda e: e["type"] == "presence" and named(e, "left", stranger))


def named(event: dict[str, dict[str, list[dict[str, str]]]], way: str, who: Person) -> bool:
    return who.id in [each["id"] for each in event["data"][way]]
