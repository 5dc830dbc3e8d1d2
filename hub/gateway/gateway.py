"""One process's gateway: its parts, the rooms it follows, the connections that are open."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from hub.bus.client import end
from hub.core.errors import HubError, Missing, Unauthenticated
from hub.core.values import Actor, Json, why_gone
from hub.enduring import Errands, enduring
from hub.gateway.closes import RESTARTING, REVOKED, spread
from hub.gateway.counts import Counts
from hub.gateway.crowd import Apart
from hub.gateway.fanout import Fanout
from hub.gateway.joining import Joined
from hub.gateway.keeping import Keeping
from hub.gateway.orphans import Orphans
from hub.gateway.personal import Personal
from hub.gateway.presence import Presence
from hub.gateway.pressure import Pressure
from hub.gateway.seats import Seats
from hub.gateway.turns import Turns
from hub.parts import Parts, now_ms
from hub.service.taken import Taken

if TYPE_CHECKING:
    from hub.gateway.connection import Connection
    from hub.gateway.reader import RoomReader

EXPIRY_CHECK_S: Final = 1.0
_DRAIN_BATCHES: Final = 10
_DRAIN_AT_ONCE: Final = 50
_WOKEN_AT_ONCE: Final = 64
log = structlog.get_logger("hub.gateway")


class Gateway:
    """Made once per process; every handler works on it."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.connections: set[Connection] = set()
        self.readers: set[RoomReader] = set()
        self.counts = Counts()
        limits = parts.settings
        self.seats = Seats(
            limits.max_connections, limits.strangers_per_address, limits.connections_per_key
        )
        self.turns = Turns()
        self._pacing = asyncio.Semaphore(_WOKEN_AT_ONCE)
        self.errands = Errands()
        self.apart = Apart()
        self.pressure = Pressure(limits.pending_total_bytes)
        self.stopping = False
        self.fanout = Fanout(
            parts.store,
            parts.bus,
            self.may_read,
            head_check_s=parts.settings.head_check_s,
            unsubscribe_delay_s=parts.settings.unsubscribe_delay_s,
            restored=parts.timeline.restored,
            moved=lambda room_id: self.presence.moved(room_id),
            counts=self.counts,
            apart=self.apart,
        )
        self.presence = Presence(
            self.fanout,
            parts.bus,
            now_ms,
            tick_s=parts.settings.presence_tick_s,
            lease_s=parts.settings.presence_lease_s,
        )
        self.personal = Personal(self.fanout)
        self.orphans = Orphans(self.fanout, parts.bus)
        self.keeping = Keeping(parts.answers, lambda: self.connections)
        self.taken = Taken(parts.store.access_changes, self._take_away)
        parts.lost.listeners.append(self.fanout.suspect)
        parts.near.listeners.append(self.fanout.hear)
        parts.access.uses.live.append(self.seats.keys)
        self._answered: list[Connection] = []

    async def may_read(self, actor: Actor, room_id: str) -> bool:
        try:
            await self.parts.views.fresh(actor, room_id)
        except Missing:
            return False
        return True

    def told(self, joined: Joined) -> Json:
        """What a subscriber is told of a room: where it stands and who is there."""
        return joined.as_dict() | {"presence": self.presence.snapshot(joined.room_id)}

    def answer_soon(self, connection: Connection) -> None:
        """It has replies that can wait for the events of the same tick."""
        if not self._answered:
            asyncio.get_running_loop().call_soon(self._answer)
        self._answered.append(connection)

    def _answer(self) -> None:
        """Events go out first, and take along the replies to those who posted them: each write is a
        call to the kernel."""
        answered, self._answered = self._answered, []
        try:
            self.fanout.flush()
        finally:
            for connection in answered:
                try:
                    connection.flush_acks()
                except Exception:
                    log.exception("what was stored cannot be acknowledged", id=connection.id)

    async def pace(self) -> None:
        """Of many who were woken together so many go on at once; others have their turn between."""
        async with self._pacing:
            await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fan out and watch what is taken away while the context lasts."""
        await self.parts.timeline.check()
        await self.taken.begin()
        tokens = self.parts.tokens
        async with (
            self.fanout.running(),
            self.presence.running(),
            asyncio.TaskGroup() as group,
        ):
            work = (
                self.taken.watch, self.orphans.watch, self._watch_expiry, self.personal.run,
                self.keeping.renew, self.keeping.end, *([tokens.run] if tokens else []),
            )  # fmt: skip
            watching = [group.create_task(enduring(each)) for each in work]
            try:
                yield
            finally:
                await self.errands.end()
                for task in watching:
                    await end(task)

    def _take_away(self, kind: str, subject_id: str) -> None:
        if kind == "key":
            self._revoked(subject_id)
        else:
            self.parts.views.forget(subject_id)
            self.fanout.suspect_access(subject_id)

    def _revoked(self, key_id: str) -> None:
        """A key, or all tokens of somebody. One that cannot be closed keeps no other open; it is
        tried again."""
        self.parts.access.forget(key_id)
        why, errors = why_gone(key_id), list[Exception]()
        connections = [each for each in self.connections if each.actor.key_id == key_id]
        readers = [each for each in self.readers if each.actor.key_id == key_id]
        closing: list[Callable[[], None]] = [
            *(partial(each.close, REVOKED, why) for each in connections),
            *(partial(each.end, Unauthenticated(why)) for each in readers),
        ]
        for close in closing:
            try:
                close()
            except Exception as error:
                errors.append(error)
        if errors:
            raise ExceptionGroup("of who was revoked not all is closed", errors)

    async def _watch_expiry(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_CHECK_S)
            now = now_ms()
            for connection in tuple(self.connections):
                connection.close_if_expired(now)
            for reader in tuple(self.readers):
                reader.close_if_expired(now)

    async def drain(self, within_s: float) -> None:
        """Tell every client to come back later, in batches, so that they do not all at once."""
        self.stopping = True
        for reader in tuple(self.readers):
            reader.end(None)
        leaving = list(self.connections)
        random.shuffle(leaving)
        reason = spread(len(leaving))
        batch = max(_DRAIN_AT_ONCE, -(-len(leaving) // _DRAIN_BATCHES))
        for start in range(0, len(leaving), batch):
            if start:
                await asyncio.sleep(within_s / _DRAIN_BATCHES)
            for connection in leaving[start : start + batch]:
                connection.close(RESTARTING, reason)

    async def ready(self) -> list[str]:
        """Why this gateway should get no traffic; empty when it should."""
        reasons = []
        try:
            await self.parts.store.ping()
        except HubError as error:
            reasons.append(error.message)
        if self.fanout.deaf:
            reasons.append("rooms are not heard from Redis")
        if self.stopping:
            reasons.append("the hub is stopping")
        return reasons
