"""Changes of a message that is stored already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EMOJI_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Touch:
    """Who changes which message, as authorised by the room's members of `acl_version`."""

    tenant_id: str
    room_id: str
    acl_version: int
    message_id: str
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Unread:
    """What a member has not read of a room: `seq` is how far they have, None when never marked."""

    seq: int | None
    unread: int
    mentions: int
