"""Reactions, put beside the messages they belong to."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from hub.core.values import Message
from hub.store.schema import reactions


def with_reactions(connection: Connection, found: Sequence[Message]) -> list[Message]:
    """The same messages with who reacted to them how, each emoji in the order it came."""
    of: dict[str, dict[str, tuple[str, ...]]] = {}
    ids = [message.id for message in found if message.deleted_ms is None]
    if ids:
        mine = select(reactions.c.message_id, reactions.c.emoji, reactions.c.participant_id)
        order = (reactions.c.at_ms, reactions.c.participant_id)
        for row in connection.execute(mine.where(reactions.c.message_id.in_(ids)).order_by(*order)):
            emoji = of.setdefault(row.message_id, {})
            emoji[row.emoji] = (*emoji.get(row.emoji, ()), row.participant_id)
    return [m._replace(reactions=of[m.id]) if m.id in of else m for m in found]
