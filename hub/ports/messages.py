"""Messages as they are now."""

from __future__ import annotations

from typing import Protocol

from hub.core.posts import RequestKey
from hub.core.touches import Touch
from hub.core.values import Message
from hub.ports.audit import AuditEntry
from hub.ports.common import Written


class MessageStore(Protocol):
    async def get(self, tenant_id: str, room_id: str | None, message_id: str) -> Message | None:
        """A message of the tenant; of this room, unless `room_id` is None."""

    async def made_by(self, key: RequestKey) -> str | None:
        """The id of what a request of this key has posted; Conflict when it had another body."""

    async def edit(self, touch: Touch, content: str) -> Written:
        """Replace the text; its `message.updated`. MESSAGE_NOT_FOUND once it is deleted.

        Like the others it raises StaleAccess when the room's members are no longer those of the
        touch, and what closes the room. What is so already is left, without an entry."""

    async def delete(self, touch: Touch, audit: AuditEntry | None = None) -> Written:
        """Erase the text, the mentions and the reactions; the message stays as a tombstone."""

    async def react(self, touch: Touch, emoji: str, *, present: bool) -> Written:
        """Set whether the toucher's reaction is there. At most `EMOJI_MOST` different ones."""

    async def page(
        self,
        room_id: str,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        deleted: bool = True,
    ) -> list[Message]:
        """Messages by seq: the oldest after `after` (and before `before`), else the newest before
        `before`; rising. Without those that were deleted, if so asked."""

    async def newest_of(
        self, room_id: str, author_id: str, after: int, limit: int
    ) -> list[Message]:
        """The newest of one author with seq > `after`, rising; without reactions."""

    async def thread(self, room_id: str, root_id: str, after: int, limit: int) -> list[Message]:
        """The root and its replies with seq > `after`, rising."""

    async def thread_end(self, room_id: str, root_id: str, limit: int) -> list[Message]:
        """The root and its newest replies, rising; `limit` in all."""
