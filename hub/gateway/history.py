"""What was missed, read for many at once: whoever resumes at one position shares one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.core.posts import LogRow
from hub.gateway.counts import Counts
from hub.ports import LogStore, Place, Standing
from hub.service.shared import Gathered
from hub.wire.events import event_frame
from hub.wire.frames import Coding

REPLAY_FIRST: Final = 50
REPLAY_PAGE: Final = 200
REPLAY_BYTES: Final = 262_144
ROOMS_AT_ONCE: Final = 200
PAGES_AT_ONCE: Final = 16


def fitting(count: int, size: int, most: int) -> int:
    """How many events to read next, at most `most`, when the last `count` were `size` bytes."""
    return min(most, 1 + count * REPLAY_BYTES // size)


class HistoryPage:
    """`count` events up to seq `last`, framed once for everybody; coded once for each coding."""

    def __init__(self, last: int, count: int, frames: bytes) -> None:
        self.last = last
        self.next_limit = fitting(count, len(frames), REPLAY_PAGE)
        self._frames = frames
        self._coded: dict[Coding, bytes] = {}

    def frames(self, coding: Coding) -> bytes:
        found = self._coded.get(coding)
        if found is None:
            found = self._coded[coding] = coding.encode(self._frames)
        return found


class History:
    """Reads for those who subscribe. Every answer is from a read begun after it was asked for."""

    def __init__(self, rooms_log: LogStore, counts: Counts | None = None) -> None:
        self._log = rooms_log
        self._counts = counts or Counts()
        self._pages: Gathered[Place, HistoryPage] = Gathered(self._read, PAGES_AT_ONCE)
        self._standings: Gathered[str, Standing] = Gathered(rooms_log.standings, ROOMS_AT_ONCE)

    async def page(self, room_id: str, after: int, limit: int) -> HistoryPage | None:
        """At most `limit` events that follow seq `after`; None when there are none."""
        return await self._pages.ask((room_id, after, limit))

    async def standing(self, room_id: str) -> Standing | None:
        """Where the room stands now; None for a room that is not there."""
        return await self._standings.ask(room_id)

    async def _read(self, asked: Sequence[Place]) -> dict[Place, HistoryPage]:
        found = await self._log.pages(asked)
        self._counts.replayed += sum(map(len, found.values()))
        return {at: _framed(rows) for at, rows in found.items()}


def _framed(rows: Sequence[LogRow]) -> HistoryPage:
    frames = b"".join([event_frame(entry, message) for entry, message in rows])
    return HistoryPage(rows[-1][0].seq, len(rows), frames)
