"""A participant's own channel: what concerns it alone reaches all its connections, wherever they
are, without subscribing."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import orjson

from hub.core.values import Actor, Json
from hub.wire.frames import Coding, bodies
from hub.wire.packets import Packet, own_channel

if TYPE_CHECKING:
    from hub.gateway.fanout import Fanout

AT_ONCE: Final = 256


class Owner(Protocol):
    """A connection of a participant."""

    coding: Coding
    rooms: set[str]

    @property
    def actor(self) -> Actor: ...

    def deliver(self, frames: bytes) -> None: ...

    def reoffer(self) -> None:
        """The channel is heard from now on: what came before may have been missed."""


class Personal:
    """Who is connected as whom on this gateway; a channel is followed while anybody is. Joining
    and leaving wait for nothing: one task brings what is followed in line with who is here."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._owners: dict[str, set[Owner]] = {}
        self._followed: set[str] = set()
        self._heard: set[str] = set()
        self._changed: set[str] = set()
        self._work = asyncio.Event()

    def join(self, owner: Owner) -> None:
        """Hear the channel as soon as it can be heard."""
        name = own_channel(owner.actor.tenant_id, owner.actor.id)
        self._owners.setdefault(name, set()).add(owner)
        if name in self._heard:
            owner.reoffer()
        self._look_at(name)

    def leave(self, owner: Owner) -> None:
        name = own_channel(owner.actor.tenant_id, owner.actor.id)
        owners = self._owners.get(name, set())
        owners.discard(owner)
        if not owners:
            self._owners.pop(name, None)
            self._look_at(name)

    def hears(self, actor: Actor) -> bool:
        """Whether an actor's channel is heard here."""
        return own_channel(actor.tenant_id, actor.id) in self._heard

    def _look_at(self, name: str) -> None:
        self._changed.add(name)
        self._work.set()

    async def run(self) -> None:
        """Follow and unfollow until cancelled, many channels at once."""
        while True:
            await self._work.wait()
            names = [self._changed.pop() for _ in range(min(AT_ONCE, len(self._changed)))]
            if not self._changed:
                self._work.clear()
            new = [n for n in names if n in self._owners and n not in self._followed]
            self._followed.update(new)
            await self._fanout.follow_all({name: partial(self._hear, name) for name in new})
            for name in names:
                if name in self._followed and name not in self._owners:
                    self._followed.discard(name)
                    self._heard.discard(name)
                    await self._fanout.unfollow(name)

    def _hear(self, name: str, packet: Packet | None) -> None:
        owners = self._owners.get(name, ())
        if packet is None:
            self._heard.add(name)
            for owner in tuple(owners):
                owner.reoffer()
            return
        event = orjson.loads(bodies(packet.frames)[0])
        for owner in tuple(owners):
            if _is_for(owner, event):
                owner.deliver(owner.coding.encode(packet.frames))


def _is_for(owner: Owner, event: Json) -> bool:
    """Who follows a room is told of its end when it leaves the feed, and an offer has the token
    with which it is answered."""
    if event["type"] == "room.removed":
        return event.get("room_id") not in owner.rooms
    return event["type"] != "run.offered" or owner.actor.may_write
