"""Fan-out: every room that somebody on this gateway follows, fed by the bus, mended from the log.

Pub/sub is a hint. A gap is filled from the database, heads are read again after every new
subscription and in slices all the time, so nothing that was committed stays unseen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from hub.bus.client import end
from hub.core.errors import Unavailable, missing
from hub.core.timeline import Allowance
from hub.core.values import Actor, Json
from hub.enduring import enduring, tell
from hub.gateway.counts import Counts
from hub.gateway.crowd import Apart, Subscriber
from hub.gateway.feed import Feed
from hub.gateway.history import REPLAY_FIRST, History
from hub.gateway.joining import Cursor, Joined, Joiner, Joining, fits
from hub.gateway.mending import RETRY_S, Mender
from hub.gateway.volley import WriteAll, one_by_one, open_volley
from hub.ports import Bus, Listener, Standing, Store
from hub.wire.packets import Packet

RECHECKED_AT_ONCE: Final = 500
log = structlog.get_logger("hub.fanout")


MayRead = Callable[[Actor, str], Awaitable[bool]]


class Fanout:
    """The rooms one gateway follows. `may_read` asks the database whether an actor still may;
    `restored` is told of a room, and its epoch, whose log is behind what was passed on; `moved` of
    rooms in which somebody has come or gone."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        may_read: MayRead,
        *,
        head_check_s: float,
        unsubscribe_delay_s: float,
        restored: Callable[[str, str], Awaitable[None]],
        moved: Callable[[str], None] = lambda room_id: None,
        counts: Counts | None = None,
        apart: Apart | None = None,
    ) -> None:
        self._moved = moved
        self._bus = bus
        self._may_read = may_read
        self._unsubscribe_delay_s = unsubscribe_delay_s
        self._feeds: dict[str, Feed] = {}
        self._held = Allowance()
        self._write_all: WriteAll = one_by_one
        self._apart = apart or Apart()
        self._counts = counts = counts or Counts()
        self._history = History(store.log, counts)
        self._mender = Mender(
            store.log, self._feeds, flush=self._flush_one, gone=self._recheck_soon,
            deaf=lambda: self.deaf, restored=restored, head_check_s=head_check_s, counts=counts,
        )  # fmt: skip
        self._dirty: set[Feed] = set()
        self._to_recheck: set[Feed] = set()
        self._idle: set[Feed] = set()
        self._work = asyncio.Event()
        self._listener: Listener | None = None
        self._channels: dict[str, Callable[[Packet | None], None]] = {}

    @property
    def deaf(self) -> bool:
        return self._listener is None or self._listener.deaf

    @property
    def rebuilt(self) -> int:
        """How often what it listens on had to be connected again."""
        return self._listener.rebuilt if self._listener is not None else 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen and mend while the context lasts."""
        with open_volley() as self._write_all:
            async with self._bus.listen(self._hear) as self._listener, asyncio.TaskGroup() as group:
                work = (self._tend, self._mender.tend, self._mender.check_all)
                tasks = [group.create_task(enduring(each)) for each in work]
                try:
                    yield
                finally:
                    for task in tasks:
                        await end(task)

    async def follow(self, name: str, hear: Callable[[Packet | None], None]) -> None:
        """Hear a channel that is no room's; `hear` is called with None after a gap."""
        self._channels[name] = hear
        if self._listener is not None:
            await self._listener.subscribe(name)

    async def follow_all(self, channels: Mapping[str, Callable[[Packet | None], None]]) -> None:
        """Hear many such channels, asked for together; each is told with None as soon as it is
        heard, and none waits for another."""
        self._channels.update(channels)
        if self._listener is not None:
            await self._listener.follow(*channels)

    async def unfollow(self, name: str) -> None:
        if self._channels.pop(name, None) is not None and self._listener is not None:
            await self._listener.unsubscribe(name)

    # Who is there.

    def follows(self, room_id: str) -> bool:
        return room_id in self._feeds

    def rooms(self) -> list[str]:
        """The rooms that are followed."""
        return list(self._feeds)

    async def standing(self, room_id: str) -> Standing | None:
        """Where a room stands now, whoever asks; None for one that is not there."""
        return await self._history.standing(room_id)

    def people(self, room_id: str) -> set[str]:
        """The participants who are in a room here."""
        feed = self._feeds.get(room_id)
        return feed.people if feed is not None else set()

    def tell(self, room_id: str, frame: bytes) -> None:
        """An event without a seq to everybody who is in a room here."""
        if feed := self._feeds.get(room_id):
            feed.take(Packet(0, 1, frame))
            self._flush_one(feed)

    # What the bus brings: called without awaiting, many times a tick.

    def _hear(self, room_id: str, packet: Packet | None) -> None:
        if packet is not None and room_id in self._feeds:
            self.hear(room_id, packet)
        elif hear := self._channels.get(room_id):
            hear(packet)
        elif room_id in self._feeds and self._feeds[room_id].timeline.started:
            self.suspect((room_id,))

    def hear(self, room_id: str, packet: Packet) -> None:
        """Something of a room, from the bus or from this process: what came before is dropped."""
        feed = self._feeds.get(room_id)
        if feed is None:
            return
        feed.take(packet)
        if feed.ripe:
            if not self._dirty:
                asyncio.get_running_loop().call_soon(self.flush)
            self._dirty.add(feed)
        if feed.timeline.behind and feed.timeline.started:
            self._mender.suspect_gap(feed)

    def flush(self) -> None:
        """Write what this tick brought."""
        self._apart.tidy()
        dirty, self._dirty = self._dirty, set()
        for feed in dirty:
            self._flush_one(feed)

    def _flush_one(self, feed: Feed) -> None:
        if feed.flush():
            self._recheck_soon(feed)

    def suspect(self, room_ids: Iterable[str]) -> None:
        """Something of these rooms may be missing: look at the database soon."""
        self._mender.suspect(room_ids)

    def suspect_access(self, room_id: str) -> None:
        """Somebody may no longer read this room."""
        if feed := self._feeds.get(room_id):
            self._recheck_soon(feed)

    def _recheck_soon(self, feed: Feed) -> None:
        self._to_recheck.add(feed)
        self._work.set()

    async def _tend(self) -> None:
        """Who may read, before all else, and which rooms nobody follows any more."""
        while True:
            await self._work.wait()
            self._work.clear()
            changed, self._to_recheck = self._to_recheck, set()
            for feed in changed:
                await self._recheck(feed)
            while self._idle and not self._to_recheck:
                await self._unfollow(self._idle.pop())

    async def _recheck(self, feed: Feed) -> None:
        """Members changed: whoever may no longer read leaves the broadcast set. Many are asked for
        at once and share what is read: a large room must not take a read for each."""
        everybody = (*feed.subscribers, *feed.joining)
        try:
            for start in range(0, len(everybody), RECHECKED_AT_ONCE):
                await self._expel(feed, everybody[start : start + RECHECKED_AT_ONCE])
        except Exception as error:
            tell(log, "access cannot be checked now", error)
            await asyncio.sleep(RETRY_S)
            self._recheck_soon(feed)

    async def _expel(self, feed: Feed, some: Sequence[Subscriber]) -> None:
        may = await asyncio.gather(*(self._may_read(each.actor, feed.room_id) for each in some))
        for subscriber, allowed in zip(some, may, strict=True):
            if not allowed and feed.has(subscriber):
                self.leave(subscriber, feed.room_id)
                subscriber.expelled(feed.room_id)

    # Joining and leaving.

    async def prepare(self, subscriber: Subscriber, room_id: str, cursor: Cursor | None) -> Joining:
        """The first half of subscribing: the bus is subscribed and confirmed, and only then access
        is asked for, so that no change of it falls between. Tell the client `joined`, then
        `complete`; or `leave`. ROOM_NOT_FOUND for who may not read the room."""
        feed = self._feeds.get(room_id)
        if feed is None:
            feed = Feed(room_id, self._held, self._counts, self._write_all, self._apart)
            self._feeds[room_id] = feed
        feed.expect(subscriber)
        try:
            await self._start(feed)
            if not await self._may_read(subscriber.actor, room_id):
                raise missing("room")
            joining = await self._look(feed, cursor)
            if not feed.has(subscriber):  # it was expelled since
                raise missing("room")
            return joining
        except BaseException:
            self.leave(subscriber, room_id)
            raise

    async def complete(self, subscriber: Joiner, joining: Joining) -> None:
        """The second half: history is written until the subscriber's own position equals the
        room's, and in that same tick, without an await, it becomes live. Who is expelled
        meanwhile is sent nothing more."""
        feed, position = joining.feed, joining.position
        try:
            self._flush_one(feed)
            limit = REPLAY_FIRST
            while subscriber in feed.joining and position < feed.timeline.position:
                page = await self._history.page(feed.room_id, position, limit)
                if page is None:
                    raise Unavailable("the room's log cannot be read now; subscribe again")
                subscriber.replay(page.frames(subscriber.coding))
                position, limit = page.last, page.next_limit
                del page  # whoever reads slowly holds what was written to it and no more
                await subscriber.drained()
                if position > feed.timeline.position:
                    await self._mender.mend(feed, position)
                self._flush_one(feed)
            feed.enter(subscriber)
            self._moved(feed.room_id)
        except BaseException:
            self.leave(subscriber, feed.room_id)
            raise

    async def _start(self, feed: Feed) -> None:
        async with feed.changing:
            if feed.timeline.started:
                return
            assert self._listener is not None
            await self._listener.subscribe(feed.room_id)
            standing = await self._history.standing(feed.room_id)
            if standing is None:
                raise missing("room")
            feed.start(standing.head.head, standing.head.epoch)
            self._flush_one(feed)

    async def _look(self, feed: Feed, cursor: Cursor | None) -> Joining:
        """Where the room stands now, and whether the cursor fits."""
        standing = await self._history.standing(feed.room_id)
        if standing is None:
            raise missing("room")
        head, drafts = standing.head, await self._drafts(feed.room_id, standing.open_runs)
        if head.epoch != feed.epoch:
            feed.end()
            raise Unavailable("the room's log was restored; subscribe again", retry_after=1)
        await self._mender.mend(feed, head.head)
        recovered = cursor is not None and fits(cursor, head)
        if cursor is not None:
            self._counts.recovered += recovered
            self._counts.unrecovered += not recovered
        position = feed.timeline.position
        joined = Joined(feed.room_id, position, head.epoch, recovered, drafts)
        return Joining(feed, cursor.since if cursor and recovered else position, joined)

    async def _drafts(self, room_id: str, open_runs: Sequence[str]) -> list[Json]:
        """Drafts of the runs that are open in the database."""
        try:
            return [draft.as_dict() for draft in await self._bus.drafts(room_id, open_runs)]
        except Unavailable:
            return []

    def leave(self, subscriber: Subscriber, room_id: str) -> None:
        """Take a subscriber out; the bus subscription ends some seconds after the last one."""
        feed = self._feeds.get(room_id)
        if feed is not None:
            feed.leave(subscriber)
            self._moved(room_id)
            self._maybe_idle(feed)

    def _maybe_idle(self, feed: Feed) -> None:
        """One timer for each room, however often somebody comes and goes."""
        if feed.in_use:
            return
        loop = asyncio.get_running_loop()
        if feed.left_s is None:
            loop.call_later(self._unsubscribe_delay_s, self._idled, feed)
        feed.left_s = loop.time()

    def _idled(self, feed: Feed) -> None:
        """Unless somebody came, and perhaps left, meanwhile."""
        left_s, feed.left_s = feed.left_s, None
        if feed.in_use or left_s is None or self._feeds.get(feed.room_id) is not feed:
            return
        loop = asyncio.get_running_loop()
        if (wait_s := left_s + self._unsubscribe_delay_s - loop.time()) > 0.001:
            feed.left_s = left_s
            loop.call_later(wait_s, self._idled, feed)
        else:
            self._idle.add(feed)
            self._work.set()

    async def _unfollow(self, feed: Feed) -> None:
        """Somebody may join meanwhile: whoever holds the lock last is right."""
        async with feed.changing:
            if feed.in_use or self._listener is None:
                return
            feed.stop()
            await self._listener.unsubscribe(feed.room_id)
            if not feed.in_use:
                feed.stop()  # what came meanwhile waits for nobody
                self._feeds.pop(feed.room_id, None)
