"""What more than one port speaks of: a part of a list, what a write did, the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hub.core.posts import LogRow


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: after (or before) an id or seq, at most `limit` items."""

    limit: int
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: its log entries to publish, and the id an earlier same request made."""

    entries: tuple[LogRow, ...] = ()
    earlier: str | None = None


class Clock(Protocol):
    """Wall-clock milliseconds since 1970."""

    def __call__(self) -> int: ...
