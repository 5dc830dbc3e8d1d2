"""What concerns one participant alone: told to all their connections on every gateway, without
subscribing. A hint like everything on the bus: what counts can be read (unread counts, rooms)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from hub.core.posts import LogRow
from hub.core.values import Actor, Json, Room
from hub.ports import Clock
from hub.service.publisher import Publisher
from hub.wire.events import ephemeral_frame
from hub.wire.packets import Note, note

KINDS: Final = ("room.added", "room.removed", "mention", "read", "queue")


class Notices:
    """Tells participants. Kinds are those of `KINDS`; mentions are told by what publishes them."""

    def __init__(self, publisher: Publisher, now_ms: Clock) -> None:
        self._publisher = publisher
        self._now_ms = now_ms

    def tell(
        self, tenant_id: str, participant_ids: Iterable[str], kind: str, room_id: str, data: Json
    ) -> None:
        """One event to each of these participants."""
        frame = ephemeral_frame(kind, room_id, self._now_ms(), data)
        notes: list[Note] = [note(tenant_id, each, frame) for each in participant_ids]
        self._publisher.tell(notes)

    def members_changed(self, actor: Actor, room: Room, rows: Sequence[LogRow]) -> None:
        """Who joined learns of the room, who left that it is gone for them."""
        joined = [entry.ref for entry, _ in rows if entry.type == "member.joined"]
        left = [entry.ref for entry, _ in rows if entry.type == "member.left"]
        by = actor.author.ref()
        if joined:
            about = {"room": room.as_dict(), "by": by}
            self.tell(room.tenant_id, joined, "room.added", room.id, about)
        if left:
            self.tell(room.tenant_id, left, "room.removed", room.id, {"room_id": room.id, "by": by})
