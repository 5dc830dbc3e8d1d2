"""What a listener heard, to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hub.wire.frames import frame
from hub.wire.packets import Packet

PATIENCE_S = 10.0
Said = tuple[str, Packet | None]


class Heard:
    """Collects what is heard; `wait_for` returns when it is there."""

    def __init__(self) -> None:
        self.all: list[Said] = []
        self._more = asyncio.Condition()
        self._waking: set[asyncio.Task[None]] = set()

    def __call__(self, room_id: str, packet: Packet | None) -> None:
        self.all.append((room_id, packet))
        task = asyncio.get_running_loop().create_task(self._wake())
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)

    async def _wake(self) -> None:
        async with self._more:
            self._more.notify_all()

    async def wait_for(self, holds: Callable[[list[Said]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._more:
            await self._more.wait_for(lambda: holds(self.all))

    async def told(self, room_id: str, packet: Packet | None, times: int) -> None:
        await self.wait_for(lambda said: said.count((room_id, packet)) >= times)

    async def count(self, number: int) -> list[Said]:
        await self.wait_for(lambda said: len(said) >= number)
        return self.all


def packet(seq: int, body: bytes = b"{}") -> Packet:
    return Packet(seq, 1, frame(body))
