"""Requests that may come twice, and who did what."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, PrimaryKeyConstraint, String, Table

from hub.store.schema.base import metadata

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
