"""Noticing that the database was put back: an older copy of it in its place, whose rooms would give
seqs that clients have seen to other events.

Gateways and workers move a mark in the database on while events are committed, and have it
remembered elsewhere. A database whose mark is behind what is remembered is older than what clients
were sent: every room gets another epoch, so that no cursor from before fits.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from hub.enduring import tell
from hub.ports import Mark, TimelineStore, Witness

MOVE_S: Final = 10.0
log = structlog.get_logger("hub.timeline")


class Timeline:
    """`committed` says how many events this process has committed so far."""

    def __init__(
        self, store: TimelineStore, witnesses: Sequence[Witness], committed: Callable[[], int]
    ) -> None:
        self._store = store
        self._witnesses = witnesses
        self._committed = committed
        self._moved_at = 0
        self._seen = 0

    async def check(self) -> None:
        """Before anybody is served: whether the database is behind what is remembered of it."""
        await self._look(await self._known((await self._store.mark()).database))

    async def run(self) -> None:
        """Move the mark on after events were committed, and look at it in any case, until
        cancelled."""
        while True:
            await asyncio.sleep(MOVE_S)
            await self.move()

    async def move(self) -> None:
        """Once."""
        committed = self._committed()
        try:
            await self._look(self._seen)
            if committed != self._moved_at:
                await self._remember(await self._store.advance())
                self._moved_at = committed
        except Exception as error:
            tell(log, "the mark of the database cannot be moved now", error)

    async def restored(self, room_id: str, epoch: str) -> None:
        """Somebody saw that a room of this epoch is behind what was sent of it, which shows also
        where the mark has not moved since the copy was made."""
        known = await self._known((await self._store.mark()).database)
        await self._left(await self._store.renew(room_id, epoch, known, secrets.token_hex(4)))

    async def _look(self, known: int) -> None:
        """What is known was asked for before the mark, which may move meanwhile. It is put beyond
        what anybody remembers, so that no other process finds it behind again."""
        mark = await self._store.mark()
        if mark.number >= known:
            await self._remember(mark)
        else:
            beyond = max(known, await self._known(mark.database))
            await self._left(await self._store.leave(beyond, secrets.token_hex(4)))

    async def _left(self, mark: Mark | None) -> None:
        if mark is not None:
            log.error("the database is older than what was sent: it was put back")
            await self._remember(mark)

    async def _remember(self, mark: Mark) -> None:
        """Witnesses are told again what they should know: one may have been away, or emptied."""
        self._seen = max(self._seen, mark.number)
        if mark.number == 0:  # as is recalled of one that nobody knows
            return
        for witness in self._witnesses:
            try:
                await witness.note(mark)
            except Exception as error:
                tell(log, "the mark of the database is not remembered everywhere", error)

    async def _known(self, database: int) -> int:
        """The highest number that anybody remembers."""
        recalled = [await self._recall(each, database) for each in self._witnesses]
        return max([self._seen, *recalled])

    async def _recall(self, witness: Witness, database: int) -> int:
        try:
            return await witness.recall(database)
        except Exception as error:
            tell(log, "nothing can be recalled of the database now", error)
            return 0
