"""Reactions, put beside the messages they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from hub.core.values import Message
from hub.store.queries import fetch

_REACTIONS: Final = """SELECT message_id, emoji, participant_id FROM reactions
    WHERE message_id = ANY($1) ORDER BY at_ms, participant_id"""


def with_reactions(connection: Connection, found: Sequence[Message]) -> list[Message]:
    """The same messages with who reacted to them how, each emoji in the order it came."""
    of: dict[str, dict[str, tuple[str, ...]]] = {}
    ids = [message.id for message in found if message.deleted_ms is None]
    for message_id, emoji, who in fetch(connection, _REACTIONS, ids) if ids else ():
        people = of.setdefault(message_id, {})
        people[emoji] = (*people.get(emoji, ()), who)
    return [m._replace(reactions=of[m.id]) if m.id in of else m for m in found]
