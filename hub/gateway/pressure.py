"""What waits in this process for clients to read it, of all connections together, and its bound."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final, Protocol

_AT_ONCE: Final = struct.pack("ii", 1, 0)
RELIEVED_TO: Final = 0.9


def cut(transport: asyncio.Transport) -> None:
    """End a connection with a reset: what waits for a peer that reads nothing is freed at once, in
    this process and in the kernel."""
    with contextlib.suppress(OSError):  # it is gone already
        line = transport.get_extra_info("socket")
        if line is not None and line.fileno() >= 0:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


class Waiter(Protocol):
    """Somebody with bytes that have yet to be taken: by its peer, mostly."""

    @property
    def pending_bytes(self) -> int: ...

    def let_go(self) -> None:
        """Drop the connection and what waits on it, now."""


class Pressure:
    """Counts congested connections; over `most` bytes, those with most waiting are let go. So many
    were `relieved` of it, and so many that `stalled`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.total = self.relieved = self.stalled = 0
        self._waiting: dict[Waiter, int] = {}

    def note(self, waiter: Waiter, pending: int) -> None:
        """So much waits on this connection now; 0 when it is congested no more, or gone."""
        self.total += pending - self._waiting.get(waiter, 0)
        if pending:
            self._waiting[waiter] = pending
        else:
            self._waiting.pop(waiter, None)
        if self.total > self.most:
            self._relieve()

    def _relieve(self) -> None:
        """Some may have read meanwhile: weigh again before anybody is let go. Then some room is
        made, or all would be weighed again with the next that is written."""
        self._waiting = {waiter: waiter.pending_bytes for waiter in self._waiting}
        self.total = sum(self._waiting.values())
        heaviest = sorted(self._waiting, key=self._waiting.__getitem__)
        enough = self.most * RELIEVED_TO if self.total > self.most else self.most
        while self.total > enough and heaviest:
            waiter = heaviest.pop()
            self.total -= self._waiting.pop(waiter)
            self.relieved += 1
            waiter.let_go()


class Unread:
    """What a client sent while it is not read on: so much of it waits here, the rest with the
    client."""

    def __init__(self, owner: Waiter, pressure: Pressure) -> None:
        self._owner, self._pressure = owner, pressure
        self._data = b""

    @property
    def pending_bytes(self) -> int:
        return len(self._data)

    def let_go(self) -> None:
        self._owner.let_go()

    def keep(self, data: bytes) -> None:
        self._data += data
        self._pressure.note(self, len(self._data))

    def take(self) -> bytes:
        """All of it; nothing of it waits any more."""
        data, self._data = self._data, b""
        self._pressure.note(self, 0)
        return data


class Backlog:
    """What waits on one connection whose peer is behind; a peer that takes nothing of it for
    `stalled_s` is let go. TCP_USER_TIMEOUT does that too, but not everywhere."""

    def __init__(
        self,
        waiter: Waiter,
        pressure: Pressure,
        loop: asyncio.AbstractEventLoop,
        stalled_s: float,
    ) -> None:
        self._waiter, self._pressure = waiter, pressure
        self._loop, self._stalled_s = loop, stalled_s
        self._given = self._taken = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The peer is behind."""
        self._given, self._taken = self._waiter.pending_bytes, 0
        self._pressure.note(self._waiter, self._given)
        self._look_later()

    def grow(self, size: int) -> None:
        """So much more was written meanwhile."""
        self._given += size
        self._pressure.note(self._waiter, self._waiter.pending_bytes)

    def end(self) -> None:
        """The peer has caught up, or is gone."""
        self._pressure.note(self._waiter, 0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._stalled_s, self._look)

    @property
    def taken(self) -> int:
        """Bytes that the peer has taken since it fell behind."""
        return self._given - self._waiter.pending_bytes

    def _look(self) -> None:
        self._timer = None
        taken = self.taken
        if taken <= self._taken:
            self._pressure.stalled += 1
            self._waiter.let_go()
        else:
            self._taken = taken
            self._look_later()
