"""How far members have read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hub.core.touches import Unread


class ReadStore(Protocol):
    """How far members have read. A cursor only rises."""

    async def mark(
        self, tenant_id: str, participant_id: str, room_id: str, thread_id: str | None, seq: int
    ) -> bool:
        """Everything up to `seq` is read, of the room or of one thread; True when that is new."""

    async def unread(
        self, tenant_id: str, participant_id: str, room_ids: Sequence[str]
    ) -> dict[str, Unread]:
        """Others' messages beyond the cursors, among the newest 1,000 entries of each room's log;
        of a room that was never marked, those since one joined. Rooms one is in alone."""
