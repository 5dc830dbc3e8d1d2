"""What was taken away, read from the database again and again: every gateway learns of a revoked
key or a removed member within a second, whether Redis brings it or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from hub.core.errors import Unavailable
from hub.ports import AccessChangeStore

POLL_S: Final = 0.5
PAGE: Final = 500
log = structlog.get_logger("hub.taken")


class Taken:
    """A cursor in the list of changes; `heard` is called with the kind and id of each, once."""

    def __init__(self, store: AccessChangeStore, heard: Callable[[str, str], None]) -> None:
        self._store = store
        self._heard = heard
        self._number = 0

    async def begin(self) -> None:
        """What was taken away before is nothing to a gateway that knows nobody yet."""
        self._number = await self._store.latest()

    async def watch(self) -> None:
        """Read on until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                while found := await self._store.after(self._number, PAGE):
                    for change in found:
                        self._number = change.number
                        self._heard(change.kind, change.subject_id)
            except Unavailable as error:
                log.warning("it cannot be read now what was taken away", reason=error.message)
