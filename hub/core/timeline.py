"""The sequencer of one room: puts what the bus brought into the order of the log.

The bus may lose, repeat and reorder. A timeline knows the position it has passed on, drops what
is not new, holds what came early and names the gap in front of it, to be read from the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Body = TypeVar("Body")
HELD_SPANS: Final = 256


class Timeline(Generic[Body]):
    """`cut(body, n)` returns a span's body without its first n events."""

    def __init__(self, cut: Callable[[Body, int], Body]) -> None:
        self._cut = cut
        self._held: dict[int, tuple[int, Body]] = {}
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
        if known is not None or len(self._held) < HELD_SPANS:
            self._held[first] = (last, body)

    def _ripe(self) -> list[Body]:
        ready: list[Body] = []
        for first in sorted(self._held):
            last, body = self._held[first]
            if first > self.position + 1:
                break
            del self._held[first]
            if last > self.position:
                skip = self.position + 1 - first
                ready.append(self._cut(body, skip) if skip else body)
                self.position = last
        return ready
