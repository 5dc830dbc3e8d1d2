"""Messages found by their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hub.core.values import Message


@dataclass(frozen=True, slots=True)
class Search:
    """Which messages to find: all of `words` in them, in one room or in those of a member. Those
    with an id below `below_id` go on where a page ended."""

    tenant_id: str
    member_id: str
    words: tuple[str, ...]
    limit: int
    room_id: str | None = None
    author_id: str | None = None
    before_ms: int | None = None
    after_ms: int | None = None
    below_id: str | None = None


class SearchStore(Protocol):
    async def find(self, search: Search) -> list[Message]:
        """Messages with all the words, whatever their case, newest first; deleted ones and those
        of deleted sessions left out."""
