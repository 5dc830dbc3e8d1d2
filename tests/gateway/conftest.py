"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.gateway.gateway import Gateway
from hub.parts import Parts
from tests.support.parts import add_room, blank_database, database, parts, settings, store
from tests.support.redis import bus, prefix, until, valkey

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


@pytest.fixture
async def gateway(parts: Parts) -> AsyncIterator[Gateway]:
    """One that hears, with `room_1` in its store."""
    await add_room(parts.store)
    opened = Gateway(parts)
    async with opened.running():
        await until(lambda: not opened.fanout.deaf)
        yield opened
