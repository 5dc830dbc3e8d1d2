"""Rooms, sessions and members."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from hub.store.schema.base import metadata

rooms = Table(
    "rooms",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant_id", String, ForeignKey("tenants.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("private", Boolean(create_constraint=False), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("created_by", String, nullable=False),
    Column("archived_ms", BigInteger),
    Column("head", BigInteger, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("epoch", String, nullable=False),
    Column("acl_version", BigInteger, nullable=False),
    Column("settings", JSON, nullable=False),
    Index(None, "tenant_id", "kind", "id"),
)


def _listed(name: str, *columns: str) -> Index:
    """A list of sessions in one order of theirs; those that were deleted are in none."""
    kept = text("deleted_ms IS NULL")
    return Index(f"ix_sessions_{name}", *columns, sqlite_where=kept, postgresql_where=kept)


sessions = Table(
    "sessions",
    metadata,
    Column("id", String, ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("participant_id", String, nullable=False),
    Column("model", String, nullable=False),
    Column("title", String),
    Column("system_prompt", Text),
    Column("metadata", JSON, nullable=False),
    Column("status", String, nullable=False),
    Column("handling", String, nullable=False),
    Column("message_count", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("deleted_ms", BigInteger),
    Column("busy", String, nullable=False, server_default="queue"),
    Column("handler", String),
    Column("waiting_ms", BigInteger),
    Column("waiting_for", Text),
    Column("handover", JSON(none_as_null=True)),
    Column("promoted", JSON(none_as_null=True)),
    _listed("tenant", "tenant_id", "id"),
    _listed("status", "tenant_id", "status", "id"),
    _listed("owner", "tenant_id", "owner", "id"),
    _listed("owner_status", "tenant_id", "owner", "status", "id"),
    Index("ix_sessions_waiting", "tenant_id", "waiting_ms", "id",
          sqlite_where=text("waiting_ms IS NOT NULL"),
          postgresql_where=text("waiting_ms IS NOT NULL")),
)  # fmt: skip


session_metadata = Table(
    "session_metadata",
    metadata,
    Column("session_id", String, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("key", String, nullable=False),
    Column("tenant_id", String, nullable=False),
    Column("value", String, nullable=False),
    PrimaryKeyConstraint("session_id", "key"),
    Index("ix_session_metadata_found", "tenant_id", "key", "value", "session_id"),
    sqlite_with_rowid=False,
)


members = Table(
    "members",
    metadata,
    Column("room_id", String, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("tenant_id", String, nullable=False),
    Column("participant_id", String, nullable=False),
    Column("role", String, nullable=False),
    Column("engagement", String, nullable=False),
    Column("joined_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("room_id", "participant_id"),
    ForeignKeyConstraint(["tenant_id", "participant_id"], ["participants.tenant_id",
                                                           "participants.id"]),
    Index(None, "tenant_id", "participant_id", "room_id"),
)  # fmt: skip
