"""How somebody joins a room: from where, what it is told, and whether its cursor fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from hub.core.values import Json
from hub.gateway.crowd import Subscriber
from hub.gateway.feed import Feed
from hub.ports import Head

REPLAY_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a client stopped: the last seq it applied, and the room's epoch then."""

    since: int
    epoch: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """What a subscriber is told before its missed events come."""

    room_id: str
    head: int
    epoch: str
    recovered: bool
    drafts: list[Json]

    def as_dict(self) -> Json:
        return {
            "room_id": self.room_id,
            "head": self.head,
            "epoch": self.epoch,
            "recovered": self.recovered,
            "drafts": self.drafts,
        }


class Joiner(Subscriber, Protocol):
    """A subscriber that can be paced while it catches up."""

    def replay(self, frames: bytes) -> None:
        """Take history in its own encoding; it is paced by `drained` and does not count as being
        slow."""

    async def drained(self) -> None:
        """Returns when what was written has left."""


@dataclass(slots=True)
class Joining:
    """A subscription half made: what to tell the client, and up to where it has the log."""

    feed: Feed
    position: int
    joined: Joined


def continues(cursor: Cursor, head: Head) -> bool:
    """Whether everything after the cursor is there."""
    return cursor.epoch in (None, head.epoch) and head.first_seq - 1 <= cursor.since <= head.head


def fits(cursor: Cursor, head: Head) -> bool:
    """Whether everything after the cursor can be sent, and is little enough to be."""
    return continues(cursor, head) and head.head - cursor.since <= REPLAY_MOST
