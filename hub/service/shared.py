"""Reads that are shared by all who ask for the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Shared(Generic[Key, Value]):
    """One `read` per key at a time. Cancelling who waits does not cancel the read."""

    def __init__(self, read: Callable[[Key], Awaitable[Value]]) -> None:
        self._read = read
        self._reading: dict[Key, asyncio.Future[Value]] = {}

    async def joined(self, key: Key) -> Value:
        """From a read that may have begun before this call."""
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.ensure_future(self._read(key))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)

    async def anew(self, key: Key) -> Value:
        """From a read begun after this call: one already under way may not see what was just
        committed, so its end is awaited and the next one shared."""
        under_way = self._reading.get(key)
        if under_way is not None:
            await asyncio.wait({under_way})
        return await self.joined(key)
