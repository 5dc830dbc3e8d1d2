"""The servers of a cluster: who serves what now, who is away, and connections to each.

Servers are asked for their layout all the time, at once when one of them fails or sends somewhere
else, and a server that failed is not waited for again before it has answered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import sample
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import MovedError, ResponseError

from hub.bus.client import TORN
from hub.bus.pipe import Pipe
from hub.bus.slots import SLOTS, Layout, Span, agreed, read_layout
from hub.bus.urls import Address

LOOK_S: Final = 5.0
DOUBT_S: Final = 0.25  # between two looks while it is not
LEAST_S: Final = 0.05
ASKED_MOST: Final = 5
FAILED: Final = (*TORN, TimeoutError)
log = structlog.get_logger("hub.bus")


@dataclass(eq=False, slots=True)
class Server:
    """One server: clients for commands, for many that go out together all the time, for reads that
    block and to ask it for the layout. `away` says why it is not waited for."""

    address: Address
    commands: Redis
    pipe: Pipe
    blocking: Redis
    asking: Redis
    away: str = ""

    def __str__(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    async def aclose(self) -> None:
        for client in (self.commands, self.blocking, self.asking):
            with contextlib.suppress(*FAILED):
                await client.aclose()


class Shards:
    """The cluster that servers at `seeds` belong to; `connect` makes a server, connecting to
    nobody yet; `look_s` is between two looks while all is well."""

    def __init__(
        self, seeds: Sequence[Address], connect: Callable[[Address], Server], look_s: float
    ) -> None:
        self._seeds = self._members = frozenset(seeds)
        self._connect = connect
        self._look_s = look_s
        self._servers: dict[Address, Server] = {}
        self._table: list[Address | None] = [None] * SLOTS
        self._changed: list[Callable[[], None]] = []
        self._looked = asyncio.Event()
        self._doubt = asyncio.Event()

    def serving(self) -> list[Server]:
        """Those who serve any slot."""
        return [self.at(address) for address in dict.fromkeys(self._table) if address is not None]

    def of(self, slot: int) -> Server | None:
        """Who serves a slot; None while nobody does."""
        address = self._table[slot]
        return self.at(address) if address is not None else None

    def able(self, slot: int) -> Server:
        """Who serves a slot; raises at once when nobody does, or that server is away."""
        server = self.of(slot)
        if server is None:
            raise self.nobody()
        if server.away:
            raise Gone(server.away)
        return server

    def nobody(self) -> Gone:
        """The error of who finds nobody."""
        return Gone(self._why() or "no server of the cluster serves this slot")

    def at(self, address: Address) -> Server:
        """The server of an address, whatever it serves."""
        server = self._servers.get(address)
        if server is None:
            server = self._servers[address] = self._connect(address)
        return server

    async def known(self) -> None:
        """Returns when the servers have been asked for the first time."""
        await self._looked.wait()

    @contextlib.contextmanager
    def watching(self, changed: Callable[[], None]) -> Iterator[None]:
        """`changed` is called whenever slots are served elsewhere."""
        self._changed.append(changed)
        try:
            yield
        finally:
            self._changed.remove(changed)

    # What is learned by using it.

    def failed(self, server: Server, error: Exception) -> None:
        """It did not answer: nobody waits for it until it does."""
        if not server.away:
            log.warning("a server of the cluster is away", server=str(server), reason=str(error))
        server.away = f"{server}: {str(error) or type(error).__name__}"
        self._doubt.set()

    def lost(self, server: Server, error: ResponseError | None = None) -> None:
        """It is not heard any more, sent somewhere else, or does not serve a slot now."""
        if isinstance(error, MovedError):
            address = (error.host or server.address[0], error.port)
            if self._table[error.slot_id] != address:
                self._table[error.slot_id] = address
                self._tell()
        self._doubt.set()

    # What is learned by asking.

    async def keep(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self._doubt.clear()
            try:
                await self._look()
            finally:
                self._looked.set()
            await asyncio.sleep(LEAST_S)
            pause_s = self._look_s if self._well() else DOUBT_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._doubt.wait(), pause_s)

    def _well(self) -> bool:
        return None not in self._table and not self._why()

    def _why(self) -> str:
        """Why somebody is away."""
        return next((server.away for server in self._servers.values() if server.away), "")

    async def _look(self) -> None:
        """Ask the members; when none answers the seeds: a name may lead elsewhere now."""
        told = await self._told(self._members)
        if not told and self._members != self._seeds:
            told = await self._told(self._seeds)
        if told:
            await self._adopt(agreed(told))

    async def _told(self, members: frozenset[Address]) -> list[Layout]:
        """What some of them tell, and those who were away."""
        away = [address for address in members if self.at(address).away]
        asked = {*away, *sample(sorted(members), min(ASKED_MOST, len(members)))}
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask(self.at(address))) for address in asked]
        return [layout for task in tasks if (layout := task.result()) is not None]

    async def _ask(self, server: Server) -> Layout | None:
        try:
            pipe = server.asking.pipeline(transaction=False)
            pipe.execute_command("CLUSTER SLOTS")
            (answer,) = await pipe.execute()
        except FAILED as error:
            self.failed(server, error)
            return None
        server.away = ""
        return read_layout(answer, server.address)

    async def _adopt(self, layout: Layout) -> None:
        table = layout.table()
        self._members = layout.members
        if table != self._table:
            self._table = table
            log.info("the cluster is", shards=_shares(layout.spans))
            self._tell()
        for address in self._servers.keys() - layout.members:
            await self._servers.pop(address).aclose()

    def _tell(self) -> None:
        for changed in tuple(self._changed):
            changed()

    async def aclose(self) -> None:
        for server in self._servers.values():
            await server.aclose()


def _shares(spans: Sequence[Span]) -> dict[str, int]:
    """How many slots each server serves."""
    shares: dict[str, int] = {}
    for span in spans:
        name = f"{span.address[0]}:{span.address[1]}"
        shares[name] = shares.get(name, 0) + span.last - span.first + 1
    return shares
