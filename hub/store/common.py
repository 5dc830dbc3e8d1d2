"""Steps that several writes share: appending to a room's log, remembering a request's key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from hub.core.errors import reused_key
from hub.core.posts import LogEntry, LogRow, RequestKey
from hub.core.values import Json
from hub.ports import AuditEntry
from hub.store.queries import fetch, json_text
from hub.store.schema import audit_log, idempotency

NewEntry = tuple[str, str, Json | None]
_HEAD: Final = """UPDATE rooms SET head = head + $2, acl_version = acl_version + $3 WHERE id = $1
    RETURNING head"""
_EVENT: Final = """INSERT INTO events (room_id, seq, type, at_ms, ref, data)
    VALUES ($1, $2, $3, $4, $5, $6)"""


def append(
    connection: Connection, room_id: str, new: Sequence[NewEntry], at_ms: int, *, access: bool
) -> list[LogEntry]:
    """Add entries (type, ref, data) to a room's log; `access` raises its `acl_version`."""
    ((head,),) = fetch(connection, _HEAD, room_id, len(new), 1 if access else 0)
    first = head - len(new) + 1
    entries = [
        LogEntry(room_id, first + i, kind, at_ms, ref, data)
        for i, (kind, ref, data) in enumerate(new)
    ]
    write_entries(connection, entries)
    return entries


def write_entries(connection: Connection, entries: Sequence[LogEntry]) -> None:
    """Insert log rows whose seqs are already taken from the counter."""
    for e in entries:
        fetch(connection, _EVENT, e.room_id, e.seq, e.type, e.at_ms, e.ref, json_text(e.data))


def bare(entries: Sequence[LogEntry]) -> tuple[LogRow, ...]:
    """Entries that are about no message, as rows of the log."""
    return tuple((entry, None) for entry in entries)


def claim_key(connection: Connection, key: RequestKey | None, ref: str, at_ms: int) -> str | None:
    """Remember that `key` made `ref`; the id an earlier request made, if there was one."""
    if key is None:
        return None
    insert_into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = {"scope": key.scope, "key": key.key, "digest": key.digest, "ref": ref}
    claim = insert_into(idempotency).values(**row, created_ms=at_ms).on_conflict_do_nothing()
    return None if connection.execute(claim).rowcount else made_by(connection, key)


def made_by(connection: Connection, key: RequestKey) -> str | None:
    """The id of what a request of this key made, if there was one; Conflict for another body."""
    same = (idempotency.c.scope == key.scope) & (idempotency.c.key == key.key)
    earlier = connection.execute(select(idempotency).where(same)).first()
    if earlier is None:
        return None
    if earlier.digest != key.digest:
        raise reused_key()
    return str(earlier.ref)


def write_audit(connection: Connection, entry: AuditEntry | None) -> None:
    """Record a privileged act in the transaction that does it."""
    if entry is None:
        return
    connection.execute(
        insert(audit_log).values(
            id=entry.id, tenant_id=entry.actor.tenant_id, at_ms=entry.at_ms,
            actor_id=entry.actor.id, key_id=entry.actor.key_id, action=entry.action,
            object_id=entry.object_id, detail=entry.detail,
        )
    )  # fmt: skip


def date_of(connection: Connection, ms: ColumnElement[int]) -> ColumnElement[str]:
    """The day (UTC) of a time, as `2026-05-18`."""
    seconds = ms / 1000
    if connection.dialect.name == "sqlite":
        return func.date(seconds, "unixepoch")
    return func.to_char(func.timezone("UTC", func.to_timestamp(seconds)), "YYYY-MM-DD")
