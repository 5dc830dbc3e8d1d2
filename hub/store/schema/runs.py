"""Runs, and what holds them back."""

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
    UniqueConstraint,
    text,
)

from hub.store.schema.base import metadata

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
