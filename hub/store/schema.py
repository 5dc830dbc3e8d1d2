"""The tables. One schema for SQLite and PostgreSQL; Alembic makes it, a test holds them equal.

Times are milliseconds since 1970. The log (`events`) refers to rows and never copies message text.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

participants = Table(
    "participants",
    metadata,
    Column("tenant_id", String, ForeignKey("tenants.id"), nullable=False),
    Column("id", String, nullable=False),
    Column("type", String, nullable=False),
    Column("handle", String, nullable=False),
    Column("name", String, nullable=False),
    Column("driver", JSON(none_as_null=True)),
    Column("created_ms", BigInteger, nullable=False),
    Column("disabled_ms", BigInteger),
    Column("secrets", JSON(none_as_null=True)),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "handle"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("participant_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("role", String, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    ForeignKeyConstraint(["tenant_id", "participant_id"], ["participants.tenant_id",
                                                           "participants.id"]),
    Index(None, "tenant_id", "id"),
)  # fmt: skip

counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

access_changes = Table(
    "access_changes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("subject_id", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

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

messages = Table(
    "messages",
    metadata,
    Column("id", String, primary_key=True),
    Column("room_id", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("tenant_id", String, nullable=False),
    Column("thread_id", String),
    Column("author_id", String, nullable=False),
    Column("content", Text, nullable=False),
    Column("mention", JSON(none_as_null=True)),
    Column("created_ms", BigInteger, nullable=False),
    Column("edited_ms", BigInteger),
    Column("deleted_ms", BigInteger),
    Column("reply_count", Integer, nullable=False, server_default="0"),
    Column("last_reply_ms", BigInteger),
    Column("client_id", String),
    Column("run_id", String),
    Column("status", String, nullable=False, server_default="final"),
    Column("depth", Integer, nullable=False),
    Column("root_message_id", String, nullable=False),
    Column("finish_reason", String),
    Column("usage", JSON(none_as_null=True)),
    Index("uq_messages_room_id_seq", "room_id", "seq", unique=True),
    Index("ix_messages_thread", "thread_id", "seq", sqlite_where=text("thread_id IS NOT NULL"),
          postgresql_where=text("thread_id IS NOT NULL")),
)  # fmt: skip

events = Table(
    "events",
    metadata,
    Column("room_id", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("ref", String, nullable=False),
    Column("data", JSON(none_as_null=True)),
    PrimaryKeyConstraint("room_id", "seq"),
    sqlite_with_rowid=False,
)

reactions = Table(
    "reactions",
    metadata,
    Column("message_id", String, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("emoji", String, nullable=False),
    Column("participant_id", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("message_id", "emoji", "participant_id"),
    sqlite_with_rowid=False,
)

read_cursors = Table(
    "read_cursors",
    metadata,
    Column("tenant_id", String, nullable=False),
    Column("participant_id", String, nullable=False),
    Column("room_id", String, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("thread_id", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "participant_id", "room_id", "thread_id"),
    sqlite_with_rowid=False,
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("room_id", String, nullable=False),
    Column("participant_id", String, nullable=False),
    Column("trigger_message_id", String, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("thread_id", String, nullable=False),
    Column("lane", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text),
    Column("attempt", Integer, nullable=False),
    Column("worker", String),
    Column("lease_until_ms", BigInteger),
    Column("depth", Integer, nullable=False),
    Column("root_message_id", String, nullable=False),
    Column("reply_message_id", String, nullable=False),
    Column("params", JSON, nullable=False),
    Column("usage", JSON(none_as_null=True)),
    Column("context", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("first_delta_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("caller_id", String, nullable=False, server_default=""),
    Column("awaits", String),
    Column("memory", JSON(none_as_null=True)),
    Column("answer_id", String),
    Column("cancelled_by", String),
    Column("warning", JSON(none_as_null=True)),
    UniqueConstraint("trigger_message_id", "participant_id", "generation"),
    Index("uq_runs_lane", "lane", unique=True,
          sqlite_where=text("state IN ('running', 'waiting')"),
          postgresql_where=text("state IN ('running', 'waiting')")),
    Index("ix_runs_waiting", "thread_id", sqlite_where=text("state = 'waiting'"),
          postgresql_where=text("state = 'waiting'")),
    Index("ix_runs_offered", "tenant_id", "participant_id", sqlite_where=text("state = 'waiting'"),
          postgresql_where=text("state = 'waiting'")),
    Index(None, "tenant_id", "finished_ms"),
    Index("ix_runs_open", "created_ms", sqlite_where=text("finished_ms IS NULL"),
          postgresql_where=text("finished_ms IS NULL")),
    Index(None, "room_id", "finished_ms"),
    Index(None, "room_id", "id"),
    Index(None, "lane", "state"),
)  # fmt: skip

chains = Table(
    "chains",
    metadata,
    Column("root_message_id", String, primary_key=True),
    Column("replies", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index(None, "at_ms"),
    sqlite_with_rowid=False,
)

addressed = Table(
    "addressed",
    metadata,
    Column("room_id", String, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("participant_id", String, nullable=False),
    Column("message_id", String, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("root_message_id", String, nullable=False),
    PrimaryKeyConstraint("room_id", "participant_id"),
    sqlite_with_rowid=False,
)

budgets = Table(
    "budgets",
    metadata,
    Column("tenant_id", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("day", String, nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "scope", "day"),
    sqlite_with_rowid=False,
)

models = Table(
    "models",
    metadata,
    Column("tenant_id", String, ForeignKey("tenants.id"), nullable=False),
    Column("slug", String, nullable=False),
    Column("config", JSON, nullable=False),
    Column("api_keys", JSON, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "slug"),
)

completions = Table(
    "completions",
    metadata,
    Column("tenant_id", String, nullable=False),
    Column("hour_ms", BigInteger, nullable=False),
    Column("key_id", String, nullable=False),
    Column("participant_id", String, nullable=False),
    Column("model", String, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost", Double, nullable=False),
    Column("ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "hour_ms", "key_id", "participant_id", "model"),
    sqlite_with_rowid=False,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("scope", String, nullable=False),
    Column("key", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("ref", String, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "key"),
    Index(None, "created_ms"),
    sqlite_with_rowid=False,
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor_id", String, nullable=False),
    Column("key_id", String, nullable=False),
    Column("action", String, nullable=False),
    Column("object_id", String, nullable=False),
    Column("detail", JSON, nullable=False),
    Index(None, "tenant_id", "id"),
)
