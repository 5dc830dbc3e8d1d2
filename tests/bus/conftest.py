"""Fixtures of these tests."""

from tests.support.parts import blank_database, database, parts, settings, store
from tests.support.redis import bus, prefix, valkey

__all__ = [
    "blank_database",
    "bus",
    "database",
    "parts",
    "prefix",
    "settings",
    "store",
    "valkey",
]
