"""What is said."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from hub.core.times import optional_rfc3339, rfc3339
from hub.core.values.kinds import Json
from hub.core.values.people import Author

_NONE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


class Message(NamedTuple):
    """One message of a room; `thread_id` is the id of the root it answers, `root_message_id` the
    human message that set it off, where it is known: of a reply in a session, what it answers."""

    id: str
    room_id: str
    seq: int
    thread_id: str | None
    author: Author
    content: str
    mention: tuple[Json, ...]
    created_ms: int
    client_id: str | None = None
    run_id: str | None = None
    status: str = "final"
    edited_ms: int | None = None
    deleted_ms: int | None = None
    reply_count: int = 0
    last_reply_ms: int | None = None
    finish_reason: str | None = None
    usage: Json | None = None
    tenant_id: str = ""
    root_message_id: str | None = None
    reactions: Mapping[str, tuple[str, ...]] = _NONE

    def as_dict(self) -> Json:
        return {
            "id": self.id,
            "room_id": self.room_id,
            "seq": self.seq,
            "thread_id": self.thread_id,
            "author": self.author.as_dict(),
            "content": "" if self.deleted_ms else self.content,
            "mention": list(self.mention),
            "created_at": rfc3339(self.created_ms),
            "edited_at": optional_rfc3339(self.edited_ms),
            "deleted_at": optional_rfc3339(self.deleted_ms),
            "reply_count": self.reply_count,
            "last_reply_at": optional_rfc3339(self.last_reply_ms),
            "reactions": {emoji: list(people) for emoji, people in self.reactions.items()},
            "client_id": self.client_id,
            "run_id": self.run_id,
            "status": self.status,
        }
