"""Mending: what the bus lost, repeated or never brought is read from the log, room by room.

Heads are read again where something may be missing, and in slices all the time, so that nothing
that was committed stays unseen; a log that is another one than was passed on (its database was
restored) sends everybody back to resume.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import structlog

from hub.core.errors import Unavailable
from hub.core.timeline import Timeline
from hub.enduring import tell
from hub.gateway.counts import Counts
from hub.gateway.feed import Feed
from hub.gateway.history import fitting
from hub.ports import Head, LogStore
from hub.wire.events import event_frame
from hub.wire.packets import Packet

REPAIR_PAGE: Final = 500
HEADS_SLICE: Final = 200
REPAIR_LEAST: Final = 20
RETRY_S: Final = 0.2
GRACE_S: Final = 0.03  # two gateways' packets to one room may cross on their way
DEAF_CHECK_S: Final = 1.0
_HEADROOM: Final = 0.8  # of the time in which every head is read, what is left is for reading it
log = structlog.get_logger("hub.mending")


class Mender:
    """Keeps the feeds of a gateway at the heads of their logs. `flush` writes what is ripe, `gone`
    is told of a feed whose room is no more, `deaf` says that the bus brings nothing; `restored` is
    told of a room, and its epoch, whose log is behind what was passed on."""

    def __init__(
        self,
        rooms_log: LogStore,
        feeds: Mapping[str, Feed],
        *,
        flush: Callable[[Feed], None],
        gone: Callable[[Feed], None],
        deaf: Callable[[], bool],
        restored: Callable[[str, str], Awaitable[None]],
        head_check_s: float,
        counts: Counts | None = None,
    ) -> None:
        self._log = rooms_log
        self._feeds = feeds
        self._flush = flush
        self._gone = gone
        self._deaf = deaf
        self._restored = restored
        self._head_check_s = head_check_s
        self._counts = counts or Counts()
        self._suspects: set[str] = set()
        self._work = asyncio.Event()
        self._graced: set[str] = set()

    def suspect(self, room_ids: Iterable[str]) -> None:
        """Something of these rooms may be missing: look at the database soon."""
        self._suspects.update(room_ids)
        self._work.set()

    def suspect_gap(self, feed: Feed) -> None:
        """Something came early: what belongs before it is probably on its way."""
        if feed.room_id not in self._graced:
            self._graced.add(feed.room_id)
            self._give_grace(feed)

    def _give_grace(self, feed: Feed) -> None:
        at = feed.timeline, feed.timeline.position
        asyncio.get_running_loop().call_later(GRACE_S, self._after_grace, feed, at)

    def _after_grace(self, feed: Feed, at: tuple[Timeline[bytes], int]) -> None:
        """Where two gateways post to one room all the time, something is always on its way: only
        a gap that is the same as before is one."""
        if feed.timeline.behind and at != (feed.timeline, feed.timeline.position):
            self._give_grace(feed)
            return
        self._graced.discard(feed.room_id)
        if feed.timeline.behind:
            self.suspect((feed.room_id,))

    async def tend(self) -> None:
        """Look at suspects until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            suspects, self._suspects = self._suspects, set()
            for part in _slices([room_id for room_id in suspects if room_id in self._feeds]):
                await self._check(part)

    async def check_all(self) -> None:
        """Every room's head within `head_check_s`, a slice at a time; oftener while deaf."""
        while True:
            began = asyncio.get_running_loop().time()
            slices = _slices(list(self._feeds))
            for number, part in enumerate(slices):
                await self._check(part)
                await self._pause(began, (number + 1) / len(slices))
            if not slices:
                await self._pause(began, 1)

    async def _pause(self, began: float, share: float) -> None:
        """Until this share of the period is over, which being deaf shortens."""
        loop = asyncio.get_running_loop()
        while (left_s := began + share * self._period_s - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left_s, DEAF_CHECK_S / 4))

    @property
    def _period_s(self) -> float:
        least_s = DEAF_CHECK_S if self._deaf() else self._head_check_s
        return _HEADROOM * min(least_s, self._head_check_s)

    async def _check(self, room_ids: Iterable[str]) -> None:
        before = {
            room_id: (feed.timeline, feed.timeline.position)
            for room_id in room_ids
            if (feed := self._feeds.get(room_id)) is not None and feed.timeline.started
        }
        if not before:
            return
        try:
            heads = await self._log.heads(list(before))
            for room_id, (timeline, position) in before.items():
                feed = self._feeds.get(room_id)
                if feed is not None and feed.timeline is timeline:
                    await self._look(feed, heads.get(room_id), position)
        except Exception as error:
            tell(log, "heads cannot be read now", error)
            await asyncio.sleep(RETRY_S)
            self.suspect(before)

    async def _look(self, feed: Feed, head: Head | None, position: int) -> None:
        """`position` is what had been passed on before the head was read: it was stored then."""
        try:
            if head is None:
                self._gone(feed)
            elif head.head < position and head.epoch == feed.epoch:
                await self._restored(feed.room_id, head.epoch)
                feed.end()
            elif head.epoch != feed.epoch:
                feed.end()
            else:
                await self.mend(feed, head.head)
        except Unavailable:
            raise
        except Exception:
            log.exception("a room could not be mended", room_id=feed.room_id)

    async def mend(self, feed: Feed, head: int) -> None:
        """Read what is missing from the log until the position has reached `head`; of a feed that
        was ended meanwhile, nothing. As much at a time as who reads quickly takes in passing: it is
        not paced by anybody."""
        timeline, most = feed.timeline, REPAIR_LEAST
        timeline.hear(head)
        while timeline is feed.timeline and timeline.started and timeline.behind:
            limit = min(most, max(REPAIR_LEAST, timeline.gap))
            rows = await self._log.read(feed.room_id, timeline.position, limit)
            if not rows or timeline is not feed.timeline:
                return
            frames = b"".join([event_frame(entry, message) for entry, message in rows])
            most = fitting(len(rows), len(frames), REPAIR_PAGE)
            self._counts.repairs += 1
            self._counts.repaired += len(rows)
            feed.take(Packet(rows[0][0].seq, len(rows), frames, access=True))
            self._flush(feed)


def _slices(room_ids: list[str]) -> list[list[str]]:
    """As many as are asked for by one statement."""
    return [room_ids[i : i + HEADS_SLICE] for i in range(0, len(room_ids), HEADS_SLICE)]
