"""Steps that several writes share: appending to a room's log, remembering a request's key."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Connection, cast, func, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from hub.core.errors import Conflict
from hub.core.posts import LogEntry, LogRow, RequestKey
from hub.core.values import Json
from hub.ports import AuditEntry
from hub.store.schema import audit_log, events, idempotency, rooms

NewEntry = tuple[str, str, Json | None]


def append(
    connection: Connection, room_id: str, new: Sequence[NewEntry], at_ms: int, *, access: bool
) -> list[LogEntry]:
    """Add entries (type, ref, data) to a room's log; `access` raises its `acl_version`."""
    changes = {
        "head": rooms.c.head + len(new),
        "acl_version": rooms.c.acl_version + (1 if access else 0),
    }
    head = connection.execute(
        update(rooms).where(rooms.c.id == room_id).values(**changes).returning(rooms.c.head)
    ).scalar_one()
    first = head - len(new) + 1
    entries = [
        LogEntry(room_id, first + i, kind, at_ms, ref, data)
        for i, (kind, ref, data) in enumerate(new)
    ]
    write_entries(connection, entries)
    return entries


def write_entries(connection: Connection, entries: Sequence[LogEntry]) -> None:
    """Insert log rows whose seqs are already taken from the counter."""
    rows = [
        {"room_id": e.room_id, "seq": e.seq, "type": e.type, "at_ms": e.at_ms, "ref": e.ref,
         "data": e.data}
        for e in entries
    ]  # fmt: skip
    if rows:
        connection.execute(insert(events), rows)


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
    if connection.execute(claim).rowcount:
        return None
    same = (idempotency.c.scope == key.scope) & (idempotency.c.key == key.key)
    earlier = connection.execute(select(idempotency).where(same)).one()
    if earlier.digest != key.digest:
        raise Conflict(
            "this key was used before with another request body; use a new key",
            code="IDEMPOTENCY_CONFLICT",
        )
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


def now_ms(connection: Connection) -> ColumnElement[int]:
    """Database time in milliseconds since 1970, as an expression."""
    if connection.dialect.name == "sqlite":
        julian: ColumnElement[float] = literal_column("(julianday('now') - 2440587.5) * 86400000.0")
        return cast(func.round(julian), BigInteger)
    return cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)


def date_of(connection: Connection, ms: ColumnElement[int]) -> ColumnElement[str]:
    """The day (UTC) of a time, as `2026-05-18`."""
    seconds = ms / 1000
    if connection.dialect.name == "sqlite":
        return func.date(seconds, "unixepoch")
    return func.to_char(func.timezone("UTC", func.to_timestamp(seconds)), "YYYY-MM-DD")
