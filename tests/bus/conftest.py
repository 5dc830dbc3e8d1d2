"""Fixtures of these tests."""

from tests.support.parts import blank_database, database, parts, settings, store
from tests.support.redis import bus, prefix, valkey

from .shards import sharded, shards

__all__ = [
    "blank_database",
    "bus",
    "database",
    "parts",
    "prefix",
    "settings",
    "sharded",
    "shards",
    "store",
    "valkey",
]
