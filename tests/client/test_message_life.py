"""`hub.client`: edits, deletions, reactions and read marks, by connection and by REST."""

from __future__ import annotations

import asyncio

from hub.client import Logged, Signalled, open_connection
from tests.client.guests import open_guest
from tests.support.hub import HubProcess

PATIENCE_S = 20.0


async def test_what_one_changes_the_other_is_told(hub: HubProcess) -> None:
    async with (
        open_guest(hub) as guest,
        open_connection(hub.address, guest.key) as mine,
        open_connection(hub.address, hub.key) as other,
    ):
        joined = await other.subscribe(guest.room_id)
        assert {"count", "participants"} == joined.presence.keys()
        posted = await mine.post(guest.room_id, "first")
        await mine.edit(posted.id, "second")
        await mine.react(posted.id, "👍")
        await mine.react(posted.id, "👍", present=False)
        await mine.read(guest.room_id, posted.seq)
        await mine.delete(posted.id)
        kinds: list[str] = []
        async with asyncio.timeout(PATIENCE_S):
            async for event in other:
                if isinstance(event, Logged):
                    kinds.append(event.type)
                if kinds[-1:] == ["message.deleted"]:
                    break
        assert [
            "message.created", "message.updated", "reaction.added", "reaction.removed",
            "message.deleted",
        ] == kinds  # fmt: skip
        read: list[Signalled] = []
        async with asyncio.timeout(PATIENCE_S):
            async for event in mine:
                if isinstance(event, Signalled) and event.type == "read":
                    read.append(event)
                    break
        assert [posted.seq] == [event.data["seq"] for event in read]


async def test_the_same_by_rest(hub: HubProcess) -> None:
    async with open_guest(hub) as guest:
        admin, room_id = guest.admin, guest.room_id
        message = await admin.post(room_id, "a needle in hay")
        edited = await admin.edit(room_id, message["id"], "a needle in the hay")
        assert edited["edited_at"]
        assert [edited["id"]] == [
            m["id"] for m in await admin.search('"needle in the"', room_id=room_id)
        ]
        reacted = await admin.react(room_id, message["id"], "👍🏽")
        assert ["👍🏽"] == list(reacted["reactions"])
        assert {} == (await admin.react(room_id, message["id"], "👍🏽", present=False))["reactions"]
        assert "" == (await admin.delete(room_id, message["id"]))["content"]
