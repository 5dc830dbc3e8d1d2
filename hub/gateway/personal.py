"""A participant's own channel: what concerns it alone reaches all its connections, wherever they
are, without subscribing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from hub.core.errors import Unavailable
from hub.core.values import Actor
from hub.wire.frames import packed
from hub.wire.packets import Packet, own_channel

if TYPE_CHECKING:
    from hub.gateway.fanout import Fanout

log = structlog.get_logger("hub.personal")


class Owner(Protocol):
    """A connection of a participant."""

    packed: bool

    @property
    def actor(self) -> Actor: ...

    def deliver(self, frames: bytes) -> None: ...

    def reoffer(self) -> None:
        """Something may have been missed on the channel."""


class Personal:
    """Who is connected as whom on this gateway. Follows a channel while anybody is."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._owners: dict[str, set[Owner]] = {}
        self._changing = asyncio.Lock()

    async def join(self, owner: Owner) -> None:
        """Hear the channel from now on, and of what was offered before."""
        name = own_channel(owner.actor.tenant_id, owner.actor.id)
        async with self._changing:
            owners = self._owners.setdefault(name, set())
            owners.add(owner)
            try:
                if len(owners) == 1:
                    await self._fanout.follow(name, lambda packet: self._hear(name, packet))
            except Unavailable as error:
                log.warning("a channel is not heard yet", name=name, reason=error.message)
        owner.reoffer()

    async def leave(self, owner: Owner) -> None:
        name = own_channel(owner.actor.tenant_id, owner.actor.id)
        async with self._changing:
            owners = self._owners.get(name, set())
            owners.discard(owner)
            if not owners and self._owners.pop(name, None) is not None:
                await self._fanout.unfollow(name)

    def _hear(self, name: str, packet: Packet | None) -> None:
        for owner in tuple(self._owners.get(name, ())):
            if packet is None:
                owner.reoffer()
            else:
                owner.deliver(packed(packet.frames) if owner.packed else packet.frames)
