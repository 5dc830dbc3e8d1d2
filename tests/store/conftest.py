"""Fixtures of these tests. Whatever asks for `store` runs on SQLite and on PostgreSQL."""

from tests.support.parts import blank_database, parts, settings, store
from tests.support.redis import bus, prefix, valkey
from tests.support.stores import database, postgres

__all__ = [
    "blank_database",
    "bus",
    "database",
    "parts",
    "postgres",
    "prefix",
    "settings",
    "store",
    "valkey",
]
