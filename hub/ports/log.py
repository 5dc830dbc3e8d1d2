"""The log of a room, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.core.posts import LogRow


@dataclass(frozen=True, slots=True)
class Head:
    """Where a room's log stands: `head` is its newest seq, `first_seq` the oldest kept."""

    head: int
    epoch: str
    first_seq: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A room's head and the ids of its runs that are not ended, of one moment."""

    head: Head
    open_runs: tuple[str, ...]


Place = tuple[str, int, int]
"""A page of a log: the room, the seq it follows, and how many entries it has at most."""


class LogStore(Protocol):
    async def read(self, room_id: str, after: int, limit: int) -> list[LogRow]:
        """Entries with seq > `after` in order, messages rendered as they are now."""

    async def pages(self, asked: Sequence[Place]) -> dict[Place, list[LogRow]]:
        """As `read` at many places; one where nothing follows is left out."""

    async def heads(self, room_ids: Sequence[str]) -> dict[str, Head]:
        """Where these rooms stand; a missing room is left out."""

    async def standings(self, room_ids: Sequence[str]) -> dict[str, Standing]:
        """Where these rooms stand and which of their runs are open; a missing room is left out."""

    async def renew_all(self, epoch: str) -> int:
        """Give every room this epoch; returns how many there are."""
