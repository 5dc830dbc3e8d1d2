"""Finding messages in the rooms one may read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from hub.core.errors import invalid
from hub.core.text import text_fault
from hub.core.values import Actor, Message
from hub.ports import Search, Store
from hub.service.views import RoomViews

WORDS_MOST: Final = 10
CHARS_MOST: Final = 200
_WORDS: Final = re.compile(r'"([^"]*)"|(\S+)')


class Searching:
    """Use cases on words."""

    def __init__(self, store: Store, views: RoomViews) -> None:
        self._store = store
        self._views = views

    async def find(self, actor: Actor, search: Search) -> list[Message]:
        """Newest first. A room that is named must be readable; else it is those of the caller."""
        if search.room_id is not None:
            view = await self._views.fresh(actor, search.room_id)
            search = replace(search, room_id=view.room.id)
        return await self._store.search.find(search)


def words_of(query: str | None) -> tuple[str, ...]:
    """What a query asks for: words, and "phrases in quotes"; all of them must occur."""
    if query is None or not query.strip():
        raise invalid("q", "is required: words, or a phrase in quotes")
    if fault := text_fault(query):
        raise invalid("q", fault)
    if len(query) > CHARS_MOST:
        raise invalid("q", f"must be at most {CHARS_MOST} characters")
    words = tuple(phrase or word for phrase, word in _WORDS.findall(query) if phrase or word)
    if not 1 <= len(words) <= WORDS_MOST:
        raise invalid("q", f"must be 1 to {WORDS_MOST} words or phrases")
    return words
