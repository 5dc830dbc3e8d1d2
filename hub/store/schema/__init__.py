"""The tables. One schema for SQLite and PostgreSQL; Alembic makes it, a test holds them equal.

Times are milliseconds since 1970. The log (`events`) refers to rows and never copies message text.
"""

from __future__ import annotations

from hub.store.schema.base import metadata
from hub.store.schema.messages import events, messages, reactions, read_cursors
from hub.store.schema.models import completions, models
from hub.store.schema.people import access_changes, api_keys, counters, participants, tenants
from hub.store.schema.requests import audit_log, idempotency
from hub.store.schema.rooms import members, rooms, session_metadata, sessions
from hub.store.schema.runs import addressed, budgets, chains, runs

__all__ = [
    "access_changes",
    "addressed",
    "api_keys",
    "audit_log",
    "budgets",
    "chains",
    "completions",
    "counters",
    "events",
    "idempotency",
    "members",
    "messages",
    "metadata",
    "models",
    "participants",
    "reactions",
    "read_cursors",
    "rooms",
    "runs",
    "session_metadata",
    "sessions",
    "tenants",
]
