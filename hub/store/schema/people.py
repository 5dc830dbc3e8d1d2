"""Tenants, participants, keys, and what was taken away from whom."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from hub.store.schema.base import metadata

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
    Column("scopes", String),  # NULL: all of them
    Column("last_used_ms", BigInteger),
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
