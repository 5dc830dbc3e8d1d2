"""Pings to a peer that may be silent for hours: who answers none is gone (RFC 6455, 5.5.2)."""

from __future__ import annotations

import asyncio
import random
from typing import Final, Protocol

from hub.wire.frames import frame

PING: Final = 0x9
PING_BYTES: Final = 4


class Pinged(Protocol):
    """Whose peer is pinged."""

    def write(self, frames: bytes) -> None: ...

    def unanswered(self) -> None:
        """The peer did not answer in time."""


class Heartbeat:
    """A ping every so often, and as long for its answer, until it is ended."""

    __slots__ = ("_every_s", "_loop", "_pinged", "_timer", "asked")

    def __init__(self, pinged: Pinged, loop: asyncio.AbstractEventLoop, every_s: float) -> None:
        self._pinged = pinged
        self._loop = loop
        self._every_s = every_s
        self._rest()

    def _rest(self) -> None:
        """With jitter: those who came together are not pinged together."""
        self.asked: bytes | None = None
        self._timer = self._loop.call_later(self._every_s * random.uniform(0.75, 1), self._ask)

    def _ask(self) -> None:
        self.asked = random.randbytes(PING_BYTES)
        self._timer = self._loop.call_later(self._every_s, self._pinged.unanswered)
        self._pinged.write(frame(self.asked, PING))

    def answered(self, payload: bytes) -> None:
        """A pong came; only that to the last ping counts."""
        if payload == self.asked:
            self._timer.cancel()
            self._rest()

    def end(self) -> None:
        self._timer.cancel()
