"""Stands-in for ports, where a test must decide what a store or a bus does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

from hub.core.errors import HubError, Unavailable
from hub.core.governor import Limits
from hub.core.posts import Known, LogEntry, LogRow, NewPost, RoomState, Verdict, plan
from hub.ports import Bus, Head, Place, Standing
from hub.service.publisher import Publisher
from hub.wire.packets import Packet


class GatedPosts:
    """A `PostStore` in memory whose transactions end when the test lets them."""

    def __init__(self) -> None:
        self.batches: list[list[NewPost]] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: BaseException | None = None
        self.answer: Callable[[Sequence[NewPost]], list[Verdict]] = stored

    async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
        self.batches.append(list(posts))
        self.begun.set()
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return self.answer(posts)


def stored(posts: Sequence[NewPost]) -> list[Verdict]:
    """What a store answers that takes everything."""
    rooms = {post.room_id: RoomState(0, post.acl_version, None) for post in posts}
    return list(plan(posts, Known(rooms), Limits()).outcomes)


class RoomsLog:
    """A `LogStore` of rooms that only have a head; the first `away` questions go unanswered."""

    def __init__(self, heads: dict[str, int] | None = None, away: int = 0) -> None:
        self._heads = heads or {}
        self.away = away

    async def heads(self, room_ids: Sequence[str]) -> dict[str, Head]:
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        return {r: Head(self._heads[r], "e1", 1) for r in room_ids if r in self._heads}

    async def read(self, room_id: str, after: int, limit: int) -> list[LogRow]:
        seqs = range(after + 1, min(after + limit, self._heads[room_id]) + 1)
        return [(LogEntry(room_id, seq, "run.queued", 0, "ref", {}), None) for seq in seqs]

    async def pages(self, asked: Sequence[Place]) -> dict[Place, list[LogRow]]:
        raise NotImplementedError

    async def standings(self, room_ids: Sequence[str]) -> dict[str, Standing]:
        raise NotImplementedError

    async def renew_all(self, epoch: str) -> int:
        raise NotImplementedError


class RecordingBus:
    """The part of a `Bus` that a publisher uses; while `away` is set it raises `fault`."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Packet]] = []
        self.runs: list[str] = []
        self.over: list[tuple[str, str]] = []
        self.calls = 0
        self.away = False
        self.away_rooms: set[str] = set()
        self.fault: BaseException = Unavailable("Redis does not answer", code="BUS_UNAVAILABLE")
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(
        self,
        packets: Sequence[tuple[str, Packet]],
        runs: Sequence[str] = (),
        cut: Sequence[str] = (),
        over: Sequence[tuple[str, str]] = (),
    ) -> Collection[str]:
        self.calls += 1
        await self.gate.wait()
        if self.away:
            raise self.fault
        self.published += [each for each in packets if each[0] not in self.away_rooms]
        self.runs += runs
        self.over += over
        return self.away_rooms & {room_id for room_id, _ in packets}


def publisher_on(bus: RecordingBus, lost: list[str] | None = None) -> Publisher:
    def note(room_ids: Iterable[str]) -> None:
        if lost is not None:
            lost.extend(sorted(room_ids))

    as_port: Bus = bus  # type: ignore[assignment]
    return Publisher(as_port, note)


class Answers:
    """Collects what `submit` is told."""

    def __init__(self) -> None:
        self.outcomes: list[object] = []
        self.errors: list[HubError] = []

    def __call__(self, outcome: object) -> None:
        self.outcomes.append(outcome)
        if isinstance(outcome, HubError):
            self.errors.append(outcome)
