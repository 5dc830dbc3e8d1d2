"""Events that wait for the consumer: a bounded queue that says when to leave things for later."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from hub.client.events import Event
from hub.core.errors import HubError


class Inbox:
    """`limit` is how many events wait before `full`; who fills it minds that, save for the few
    that may not be lost."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._events: deque[Event] = deque()
        self._fresh = asyncio.Event()
        self._ended = False
        self._error: HubError | None = None

    @property
    def full(self) -> bool:
        return len(self._events) >= self._limit

    @property
    def has_space(self) -> bool:
        """At most half full: time to fetch what was left for later."""
        return len(self._events) <= self._limit // 2

    def put(self, events: Sequence[Event]) -> None:
        if events:
            self._events.extend(events)
            self._fresh.set()

    def offer(self, event: Event) -> None:
        """Put an event that is left out when nobody reads."""
        if not self.full:
            self.put([event])

    def end(self, error: HubError | None) -> None:
        """Nothing more comes; what is here can still be taken."""
        self._ended, self._error = True, error
        self._fresh.set()

    async def take(self) -> Event:
        """The next event; after the end StopAsyncIteration or the error. Cancelling it loses
        nothing."""
        while not self._events:
            if self._ended:
                raise self._error or StopAsyncIteration
            self._fresh.clear()
            await self._fresh.wait()
        return self._events.popleft()
