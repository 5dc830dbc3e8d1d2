"""Redis as a whole, and its parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from hub.core.values import Draft
from hub.ports.timeline import Witness
from hub.wire.packets import Packet

Hear = Callable[[str, Packet | None], None]
"""Called for each packet of a subscribed room, without awaiting; None for a packet means that the
room was subscribed anew: whatever was published meanwhile is lost, re-read its head."""


class Listener(Protocol):
    """The subscriptions of one gateway; goes on by itself after the bus was away."""

    @property
    def deaf(self) -> bool:
        """True while nothing can be heard."""

    @property
    def rebuilt(self) -> int:
        """How many connections had to be made again."""

    async def subscribe(self, *room_ids: str) -> None:
        """Returns when the server has confirmed them all; raises Unavailable when it does not."""

    async def follow(self, *room_ids: str) -> None:
        """Ask for rooms that are not subscribed, waiting for no confirmation: of each that is
        confirmed, however late, `hear` is told with None. It is asked for until `unsubscribe`."""

    async def unsubscribe(self, room_id: str) -> None: ...


class LivesBus(Protocol):
    """Which processes live, on the clock of Redis."""

    async def note(self, room_ids: list[str]) -> None:
        """This process lives, and may have committed to these rooms what is not published yet."""

    async def orphans(self) -> dict[str, list[str]]:
        """What processes had noted that gave no sign of life for seconds, by process."""

    async def bye(self) -> None:
        """This process ends in peace: nothing of it is unpublished."""


class PresenceBus(Protocol):
    """Who is in which room, as every gateway says of itself, for as long as its lease lasts."""

    async def put(self, rooms: Mapping[str, Collection[str]], lease_ms: int) -> Collection[str]:
        """Set who is in these rooms on this gateway; nobody takes it out of a room. Returns the
        rooms whose part of the bus is away; raises Unavailable when all of it is."""

    async def read(self, room_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """Who is in these rooms on any gateway whose lease lasts. Rooms whose part of the bus is
        away are left out; raises Unavailable when all of it is."""


class Bus(Protocol):
    """Redis: fan-out, wake-ups, drafts, tickets. May lose, repeat and reorder; never the truth."""

    async def publish(
        self,
        packets: Sequence[tuple[str, Packet]],
        runs: Sequence[str] = (),
        cut: Sequence[str] = (),
        over: Sequence[tuple[str, str]] = (),
    ) -> Collection[str]:
        """One message per pair of room and packet in order, then one wake-up per run, and a word
        to all workers for each that is to be cut short; the drafts of what is `over`, pairs of room
        and run, go. Tried once: raises Unavailable when the bus is away, returns the rooms whose
        part of it is; what was lost is repaired by readers, a draft that stays expires."""

    async def watch_cuts(self, hear: Callable[[str], None]) -> None:
        """Call `hear` for each run to be cut short, until cancelled; Unavailable when the bus goes
        away. A word may be lost: the lease tells too."""

    @property
    def presence(self) -> PresenceBus: ...
    @property
    def lives(self) -> LivesBus: ...
    @property
    def marks(self) -> Witness: ...

    def listen(self, hear: Hear) -> AbstractAsyncContextManager[Listener]: ...

    async def append_draft(self, room_id: str, draft: Draft, text: str, frames: bytes) -> bool:
        """Append `text`, the end of `draft.text`, to the draft and publish `frames`, in one step;
        False when a higher attempt has begun."""

    async def drafts(self, room_id: str, run_ids: Sequence[str]) -> list[Draft]:
        """Of these runs of a room, the drafts that there are."""

    async def put_ticket(self, digest: str, value: bytes, ttl_s: int) -> None: ...

    async def put_ticket_once(self, digest: str, value: bytes, ttl_s: int, kept_s: int) -> bytes:
        """Put it, unless one of this digest was put within `kept_s`, taken or not; the value that
        was put then."""

    async def take_ticket(self, digest: str) -> bytes | None:
        """The value, once."""

    async def woken(self, worker: str, limit: int, wait_s: float) -> list[str]:
        """Ids of runs to claim, at most `limit`; waits up to `wait_s` for the first."""

    async def ping(self) -> None:
        """Raises Unavailable when Redis does not answer."""
