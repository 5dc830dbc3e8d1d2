"""Edits, deletions and reactions: the message and the log's entry in one transaction.

The room is locked first, as everywhere, and with it who may. What changes nothing leaves no entry.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from hub.core.errors import invalid, missing
from hub.core.posts import StaleAccess
from hub.core.touches import EMOJI_MOST, Touch
from hub.ports import AuditEntry, Written
from hub.store import rows
from hub.store.common import NewEntry, append, write_audit
from hub.store.posted import closed
from hub.store.reactions import with_reactions
from hub.store.schema import messages, reactions, rooms, sessions


def edit(connection: Connection, touch: Touch, content: str) -> Written:
    """See `MessageStore.edit`."""
    message = _locked(connection, touch)
    if message.deleted_ms is not None:
        raise missing("message")
    if message.content == content:
        return Written()
    _set(connection, touch, content=content, edited_ms=touch.at_ms)
    return _logged(connection, touch, "message.updated")


def erase(connection: Connection, touch: Touch, audit: AuditEntry | None) -> Written:
    """See `MessageStore.delete`: the text goes, its place in the log stays."""
    message = _locked(connection, touch)
    if message.deleted_ms is not None:
        return Written()
    _set(connection, touch, content="", mention=None, deleted_ms=touch.at_ms)
    connection.execute(delete(reactions).where(reactions.c.message_id == touch.message_id))
    _count_less(connection, message)
    write_audit(connection, audit)
    return _logged(connection, touch, "message.deleted")


def react(connection: Connection, touch: Touch, emoji: str, *, present: bool) -> Written:
    """See `MessageStore.react`."""
    if _locked(connection, touch).deleted_ms is not None:
        raise missing("message")
    mine = _reaction(touch, emoji)
    there = connection.execute(select(reactions.c.emoji).where(mine)).first() is not None
    if there == present:
        return Written()
    if present:
        _bound(connection, touch, emoji)
        row = {"message_id": touch.message_id, "emoji": emoji, "participant_id": touch.by}
        connection.execute(insert(reactions).values(**row, at_ms=touch.at_ms))
    else:
        connection.execute(delete(reactions).where(mine))
    about = {
        "message_id": touch.message_id,
        "emoji": emoji,
        "participant": {"type": touch.by.split("_", 1)[0], "id": touch.by},
    }
    kind = "reaction.added" if present else "reaction.removed"
    return _append(connection, touch, (kind, touch.message_id, about))


def _locked(connection: Connection, touch: Touch) -> Row[Any]:
    """The message, with its room locked and open and its members as they were."""
    mine = (rooms.c.id == touch.room_id) & (rooms.c.tenant_id == touch.tenant_id)
    lock = select(rooms.c.acl_version, rooms.c.archived_ms).where(mine)
    room = connection.execute(lock.with_for_update(key_share=True)).first()
    if room is None:
        raise missing("room")
    if room.acl_version != touch.acl_version:
        raise StaleAccess
    about = select(sessions.c.status, sessions.c.deleted_ms).where(sessions.c.id == touch.room_id)
    session = connection.execute(about).first() if touch.room_id.startswith("sess_") else None
    if error := closed(room.archived_ms, (session[0], session[1]) if session else None):
        raise error
    found = connection.execute(select(messages).where(_message(touch))).first()
    if found is None:
        raise missing("message")
    return found


def _message(touch: Touch) -> ColumnElement[bool]:
    return (messages.c.id == touch.message_id) & (messages.c.room_id == touch.room_id)


def _reaction(touch: Touch, emoji: str) -> ColumnElement[bool]:
    return (
        (reactions.c.message_id == touch.message_id)
        & (reactions.c.emoji == emoji)
        & (reactions.c.participant_id == touch.by)
    )


def _set(connection: Connection, touch: Touch, **values: Any) -> None:
    connection.execute(update(messages).where(_message(touch)).values(**values))


def _bound(connection: Connection, touch: Touch, emoji: str) -> None:
    others = select(func.count(reactions.c.emoji.distinct())).where(
        reactions.c.message_id == touch.message_id, reactions.c.emoji != emoji
    )
    if connection.execute(others).scalar_one() >= EMOJI_MOST:
        raise invalid("emoji", f"a message has at most {EMOJI_MOST} different ones")


def _count_less(connection: Connection, message: Row[Any]) -> None:
    """One message less in a session's count, or in that of its thread."""
    if message.room_id.startswith("sess_"):
        count = {"message_count": sessions.c.message_count - 1}
        connection.execute(update(sessions).where(sessions.c.id == message.room_id).values(**count))
    elif message.thread_id is not None:
        count = {"reply_count": messages.c.reply_count - 1}
        connection.execute(
            update(messages).where(messages.c.id == message.thread_id).values(**count)
        )


def _append(connection: Connection, touch: Touch, new: NewEntry) -> Written:
    (entry,) = append(connection, touch.room_id, [new], touch.at_ms, access=False)
    return Written(((entry, None),))


def _logged(connection: Connection, touch: Touch, kind: str) -> Written:
    (entry,) = append(
        connection, touch.room_id, [(kind, touch.message_id, None)], touch.at_ms, access=False
    )
    row = connection.execute(rows.select_messages().where(_message(touch))).one()
    (message,) = with_reactions(connection, [rows.message_of(row)])
    return Written(((entry, message),))
