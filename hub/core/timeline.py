"""The sequencer of one room: puts what the bus brought into the order of the log.

The bus may lose, repeat and reorder. A timeline knows the position it has passed on, drops what
is not new, holds what came early and names the gap in front of it, to be read from the database.
What is held is bounded: over the bound it is forgotten, and the log brings it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Final, Generic, TypeVar

Body = TypeVar("Body", bound=Sized)
HELD_SPANS: Final = 256
HELD_SIZE: Final = 8 * 1_048_576
HELD_IN_ALL: Final = 64 * 1_048_576


class Allowance:
    """How much may be held by all timelines that share it, and is."""

    def __init__(self, most: int = HELD_IN_ALL) -> None:
        self.most = most
        self.used = 0


class Timeline(Generic[Body]):
    """`cut(body, n)` returns a span's body without its first n events; a body is as large as its
    `len`."""

    def __init__(
        self, cut: Callable[[Body, int], Body], allowance: Allowance | None = None
    ) -> None:
        self._cut = cut
        self._allowance = allowance or Allowance()
        self._held: dict[int, tuple[int, Body]] = {}
        self._size = 0
        self.position = -1
        self._highest = 0

    @property
    def started(self) -> bool:
        return self.position >= 0

    @property
    def behind(self) -> bool:
        """True when events are known to exist that could not be passed on yet."""
        return self._highest > self.position

    @property
    def gap(self) -> int:
        """How many events are known to be missing before the next that is held, if one is."""
        return min(self._held, default=self._highest + 1) - self.position - 1

    def start(self, head: int) -> list[Body]:
        """Begin at `head`, the newest seq known stored; returns what was held and follows it."""
        self.position = head
        self._highest = max(self._highest, head)
        return self._ripe()

    def hear(self, head: int) -> None:
        """Learn that seq `head` is stored, without its body."""
        self._highest = max(self._highest, head)

    def offer(self, first: int, last: int, body: Body) -> list[Body]:
        """Take the span first..last; returns the bodies to pass on now, in order.

        In the common case the span follows the position and comes back as it is.
        """
        if last > self._highest:
            self._highest = last
        if not self.started or first > self.position + 1:
            self._hold(first, last, body)
            return []
        if last <= self.position:
            return []
        if first <= self.position:
            body = self._cut(body, self.position + 1 - first)
        self.position = last
        return [body, *self._ripe()] if self._held else [body]

    def _hold(self, first: int, last: int, body: Body) -> None:
        """Keep what came early; when there is too much of it, the log will bring it again."""
        known = self._held.get(first)
        if known is not None and known[0] >= last:
            return
        if known is None and len(self._held) >= HELD_SPANS:
            return
        self._weigh(len(body) - (len(known[1]) if known is not None else 0))
        self._held[first] = (last, body)
        if self._size > HELD_SIZE or self._allowance.used > self._allowance.most:
            self.forget()

    def forget(self) -> None:
        """Hold nothing more of what came early."""
        self._held.clear()
        self._weigh(-self._size)

    def _weigh(self, more: int) -> None:
        self._size += more
        self._allowance.used += more

    def _ripe(self) -> list[Body]:
        ready: list[Body] = []
        for first in sorted(self._held):
            if first > self.position + 1:
                break
            last, body = self._held.pop(first)
            self._weigh(-len(body))
            if last > self.position:
                skip = self.position + 1 - first
                ready.append(self._cut(body, skip) if skip else body)
                self.position = last
        return ready
