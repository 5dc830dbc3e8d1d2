"""Rooms of others: what a process that died had not published, or one that lives could not."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson
import structlog

from hub.core.errors import Unavailable
from hub.gateway.fanout import Fanout
from hub.ports import Bus
from hub.wire.packets import SUSPECTS, Packet

LOOK_S: Final = 1.0
log = structlog.get_logger("hub.orphans")


class Orphans:
    """Has the rooms of others repaired first."""

    def __init__(self, fanout: Fanout, bus: Bus) -> None:
        self._fanout = fanout
        self._bus = bus
        self._adopted: set[str] = set()

    async def watch(self) -> None:
        """Look after others until cancelled."""
        following = False
        while True:
            try:
                if not following:
                    await self._fanout.follow(SUSPECTS, self._told)
                    following = True
                await self._adopt(await self._bus.lives.orphans())
            except Unavailable as error:
                log.debug("others cannot be looked after now", reason=error.message)
            await asyncio.sleep(LOOK_S)

    async def _adopt(self, found: dict[str, list[str]]) -> None:
        """Each of the dead once, until it lives again."""
        for process_id in found.keys() - self._adopted:
            log.warning("a process died", process_id=process_id, rooms=len(found[process_id]))
            self._fanout.suspect(found[process_id])
        self._adopted = set(found)

    def _told(self, packet: Packet | None) -> None:
        if packet is not None:
            self._fanout.suspect(orjson.loads(packet.frames))
