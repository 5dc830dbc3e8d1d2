"""What waits in this process for clients to read it, of all connections together, and its bound."""

from __future__ import annotations

from typing import Protocol


class Waiter(Protocol):
    """A connection with bytes that its peer has not taken yet."""

    @property
    def pending_bytes(self) -> int: ...

    def let_go(self) -> None:
        """Drop the connection and what waits on it, now."""


class Pressure:
    """Counts congested connections; over `most` bytes, those with most waiting are let go."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.total = 0
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
        """Some may have read meanwhile: weigh again before anybody is let go."""
        self._waiting = {waiter: waiter.pending_bytes for waiter in self._waiting}
        self.total = sum(self._waiting.values())
        heaviest = sorted(self._waiting, key=self._waiting.__getitem__)
        while self.total > self.most and heaviest:
            waiter = heaviest.pop()
            self.total -= self._waiting.pop(waiter)
            waiter.let_go()
