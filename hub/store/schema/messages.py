"""Messages, the log, reactions and read marks."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from hub.store.schema.base import metadata

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
