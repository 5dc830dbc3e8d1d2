"""Models of tenants, and what completions used."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    PrimaryKeyConstraint,
    String,
    Table,
)

from hub.store.schema.base import metadata

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
