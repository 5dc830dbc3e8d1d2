"""People and rooms of a test's own on a shared hub."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hub.client import RoomhubClient, open_client
from tests.support.hub import HubProcess


@dataclass(frozen=True, slots=True)
class Guest:
    """A new user of the hub in a new room; `admin` owns the room and posts into it too."""

    id: str
    key: str
    key_id: str
    room_id: str
    admin: RoomhubClient


@contextlib.asynccontextmanager
async def open_guest(hub: HubProcess, *members: str) -> AsyncIterator[Guest]:
    """A guest in a room with the admin and `members` (ids)."""
    user = f"user_{secrets.token_hex(4)}"
    async with open_client(hub.address, hub.key) as admin:
        await admin.create_participant({"type": "user", "id": user, "name": "Guest"})
        key = await admin.create_key({"name": "test", "participant_id": user})
        inside = [{"type": each.split("_")[0], "id": each} for each in (user, *members)]
        room = await admin.create_room("A test's", members=inside)
        yield Guest(user, key["key"], key["id"], room["id"], admin)
