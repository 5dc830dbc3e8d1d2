"""Where channels are served: by one server, or each by the server of its slot."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import ResponseError


class Places(Protocol):
    """The servers of a Redis. A server is known by the client that reaches it alone."""

    def all(self) -> Collection[Redis]:
        """Those that serve anything now."""

    def of(self, channel: str) -> Redis | None:
        """Who serves a channel; None while nobody does."""

    def lost(self, server: Redis, error: ResponseError | None = None) -> None:
        """A server is not heard any more, or said that a channel is not its own."""

    def watching(self, changed: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """`changed` is called when something is served elsewhere, until the context ends."""


class OnePlace:
    """One server, or the master of the moment: it serves everything."""

    def __init__(self, server: Redis) -> None:
        self._server = server

    def all(self) -> Collection[Redis]:
        return (self._server,)

    def of(self, channel: str) -> Redis:
        return self._server

    def lost(self, server: Redis, error: ResponseError | None = None) -> None:
        if error is not None:
            raise error

    @contextlib.contextmanager
    def watching(self, changed: Callable[[], None]) -> Iterator[None]:
        yield
