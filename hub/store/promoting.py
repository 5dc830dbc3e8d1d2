"""A session becomes a room: its messages, log and runs move there, and keep ids and seqs.

What was said becomes one thread, which is what an AI participant of a room is given: so the model
still knows everything, and goes on in that thread without being called.
"""

from __future__ import annotations

from sqlalchemy import Connection, case, func, select, update

from hub.core.posts import LogRow, session_busy
from hub.core.values import Json, Session
from hub.ports import AuditEntry, Changed, Promotion
from hub.store import session_rows
from hub.store.common import append, bare, write_audit
from hub.store.participants import create as create_participant
from hub.store.rooms import insert_room, join
from hub.store.schema import events, messages, rooms, runs


def promote(
    connection: Connection,
    tenant_id: str,
    session_id: str,
    promotion: Promotion,
    audit: AuditEntry,
) -> Changed | None:
    """See `SessionStore.promote`."""
    session = session_rows.lock(connection, tenant_id, session_id)
    if session is None or session.promoted:
        return Changed(session) if session else None
    if _is_busy(connection, session_id):
        raise session_busy()
    room = promotion.room
    head = _head(connection, session_id)
    if promotion.persona is not None:
        create_participant(connection, promotion.persona, None)
    insert_room(connection, room, head)
    _move(connection, session, promotion)
    joined = join(connection, tenant_id, room.id, promotion.members)
    moved: Json = {
        "status": "closed", "handling": "ai", "handler": None,
        "participant_id": promotion.model_id, "promoted": {"room_id": room.id, "head": head},
    }  # fmt: skip
    changes = moved | session_rows.NOT_WAITING
    after, entries = session_rows.change(connection, session, changes, audit.at_ms, audit.actor)
    write_audit(connection, audit)
    return Changed(after, (*bare(joined), *entries, *_farewell(connection, after, audit.at_ms)))


def _is_busy(connection: Connection, session_id: str) -> bool:
    open_run = select(runs.c.id).where(runs.c.room_id == session_id, runs.c.finished_ms.is_(None))
    return connection.execute(open_run.limit(1)).first() is not None


def _head(connection: Connection, session_id: str) -> int:
    return int(
        connection.execute(select(rooms.c.head).where(rooms.c.id == session_id)).scalar_one()
    )


def _move(connection: Connection, session: Session, promotion: Promotion) -> None:
    """Everything of the session's log into the room's, as one thread under its first message."""
    here, there = session.id, promotion.room.id
    first = (
        select(messages.c.id).where(messages.c.room_id == here).order_by(messages.c.seq).limit(1)
    )
    root = connection.execute(first).scalar()
    author = case(
        (messages.c.author_id == session.participant_id, promotion.model_id),
        else_=messages.c.author_id,
    )
    thread = case((messages.c.id == root, None), else_=root)
    moved = {"room_id": there, "thread_id": thread, "author_id": author}
    connection.execute(update(messages).where(messages.c.room_id == here).values(**moved))
    connection.execute(update(events).where(events.c.room_id == here).values(room_id=there))
    runs_moved = {"room_id": there, "participant_id": promotion.model_id}
    if root is not None:
        runs_moved["thread_id"] = root
        _count_thread(connection, root)
    connection.execute(update(runs).where(runs.c.room_id == here).values(**runs_moved))
    gone = rooms.c.head + 1
    connection.execute(update(rooms).where(rooms.c.id == here).values(first_seq=gone))


def _count_thread(connection: Connection, root: str) -> None:
    replies = select(func.count(), func.max(messages.c.created_ms)).where(
        messages.c.thread_id == root, messages.c.deleted_ms.is_(None)
    )
    count, last = connection.execute(replies).one()
    told = {"reply_count": count, "last_reply_ms": last}
    connection.execute(update(messages).where(messages.c.id == root).values(**told))


def _farewell(connection: Connection, session: Session, at_ms: int) -> tuple[LogRow, ...]:
    """Whoever watches the session learns where it went."""
    entry = ("room.archived", session.id, {"id": session.id, "promoted_to": session.room_id})
    return bare(append(connection, session.id, [entry], at_ms, access=True))
