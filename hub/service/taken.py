"""What was taken away, read from the database again and again: every gateway learns of a revoked
key or a removed member within a second, whether Redis brings it or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from hub.enduring import tell
from hub.ports import AccessChangeStore

POLL_S: Final = 0.5
PAGE: Final = 500
log = structlog.get_logger("hub.taken")


class Taken:
    """A cursor in the list of changes; `heard` is called with the kind and id of each, once, and
    again with every poll for as long as it fails."""

    def __init__(self, store: AccessChangeStore, heard: Callable[[str, str], None]) -> None:
        self._store = store
        self._heard = heard
        self._number = 0
        self._unheeded: dict[tuple[str, str], None] = {}

    async def begin(self) -> None:
        """What was taken away before is nothing to a gateway that knows nobody yet."""
        self._number = await self._store.latest()

    async def watch(self) -> None:
        """Read on until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            again, self._unheeded = self._unheeded, {}
            for kind, subject_id in again:
                self._heed(kind, subject_id)
            try:
                await self._read_on(await self._store.latest())
            except Exception as error:
                tell(log, "it cannot be read now what was taken away", error)

    async def _read_on(self, latest: int) -> None:
        """Most of the time there is nothing new, which one number says."""
        if latest < self._number:
            log.error("the list of what was taken away has lost its end: it was put back")
            self._number = latest
        while self._number < latest:
            found = await self._store.after(self._number, PAGE)
            for change in found:
                self._heed(change.kind, change.subject_id)
            self._number = found[-1].number if found else latest

    def _heed(self, kind: str, subject_id: str) -> None:
        """One that cannot be heeded now holds up no other."""
        try:
            self._heard(kind, subject_id)
        except Exception as error:
            tell(log, "what was taken away is not heeded yet", error)
            self._unheeded[kind, subject_id] = None
