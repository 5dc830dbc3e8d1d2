"""When keys were last used: noted in memory, written together once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import structlog

from hub.core.errors import Unavailable
from hub.core.values import ApiKey, of_tokens
from hub.enduring import Outage, tell
from hub.ports import Clock, KeyStore

WRITTEN_S: Final = 60.0
AT_ONCE: Final = 500
log = structlog.get_logger("hub.access")


class KeyUses:
    """What keys of this process were used for anything, and when last. `live` says which have
    something open, which is a use as long as it lasts. What was noted is written every `every_s`:
    a process that is killed loses no more."""

    def __init__(self, keys: KeyStore, now_ms: Clock, every_s: float = WRITTEN_S) -> None:
        self._keys = keys
        self._now_ms = now_ms
        self._used: dict[str, int] = {}
        self.every_s = every_s
        self._outage = Outage(log, "when keys were used cannot be stored")
        self.live: list[Callable[[], Iterable[str]]] = []

    def note(self, key_id: str, at_ms: int) -> None:
        """A key was used. At every request: it never waits, and is one entry for each key."""
        self._used[key_id] = at_ms

    async def run(self) -> None:
        """Write what was noted, always."""
        while True:
            await asyncio.sleep(self.every_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted; while the database is away it is kept. Where no key was used the
        database is asked nothing."""
        self._note_live()
        used, self._used = self._used, {}
        try:
            for some in _slices(sorted(used.items())):
                await self._keys.used(some)
                for key_id in some:
                    del used[key_id]
                self._outage.saw()
        except Unavailable as error:
            self._outage.saw(error.message)
        except Exception as error:
            tell(log, "when keys were used is not stored for now", error)
        finally:
            self._used = used | self._used  # what was noted meanwhile is newer

    def _note_live(self) -> None:
        now = self._now_ms()
        for key_ids in self.live:
            keys = (each for each in key_ids() if not of_tokens(each))
            self._used.update(dict.fromkeys(keys, now))

    def told(self, keys: Iterable[ApiKey]) -> list[ApiKey]:
        """Keys as they are stored, with what this process knows of their use."""
        self._note_live()
        return [replace(key, last_used_ms=self._newest(key)) for key in keys]

    def _newest(self, key: ApiKey) -> int | None:
        known = (key.last_used_ms, self._used.get(key.id))
        return max((at_ms for at_ms in known if at_ms is not None), default=None)


def _slices(used: list[tuple[str, int]]) -> Iterable[dict[str, int]]:
    """So few at once that posts need not wait for them."""
    for start in range(0, len(used), AT_ONCE):
        yield dict(used[start : start + AT_ONCE])
