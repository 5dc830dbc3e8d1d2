"""Many posters and two subscribers on several gateways, and the comparison with the database.

Every post has a key of its own and is repeated with it until it is acknowledged, on another
gateway when its own is gone. What must hold afterwards: `faults`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from hub.client.connection import RoomConnection, open_connection
from hub.client.errors import Unreachable
from hub.client.events import Disconnected, Joined, Logged
from hub.client.options import Options
from hub.client.rest import RoomhubClient, open_client
from hub.core.errors import HubError, Limited, Unavailable
from tests.support.cluster import Cluster
from tests.support.hub import HubProcess

SEEN_S: Final = 60.0
RETRY_S: Final = 0.05
CONTENT: Final = "x" * 200


@dataclass(frozen=True, slots=True)
class Shape:
    """`posters` post `posts` messages to `rooms` rooms; `rest` of them over REST, the others keep
    `window` in flight over a WebSocket. With `kill`, one gateway is killed half way."""

    rooms: int
    posts: int = 100_000
    posters: int = 16
    rest: int = 4
    window: int = 32
    kill: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One post to be made."""

    room_id: str
    key: str


@dataclass
class Place:
    """A gateway and whether it is gone."""

    hub: HubProcess
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        return self.hub.address


@dataclass
class Outcome:
    """What clients saw: (message id, seq) by key, and per subscriber and room the same of every
    message that came, in the order it came."""

    acks: dict[str, tuple[str, int]] = field(default_factory=dict)
    seen: list[dict[str, list[tuple[str, int]]]] = field(default_factory=list)
    via: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    resumed: int = 0
    seconds: float = 0.0
    missed: list[str] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return len(self.acks) / self.seconds if self.seconds else 0.0


class Posting:
    """One run of a shape against gateways that are up."""

    def __init__(self, cluster: Cluster, shape: Shape, room_ids: list[str]) -> None:
        self.outcome = Outcome()
        self._shape = shape
        self._room_ids = room_ids
        self._key = cluster.key
        self._places = [Place(hub) for hub in cluster.gateways]
        self._fresh = self._jobs()
        self._again: deque[Job] = deque()
        self._done = asyncio.Event()
        self._half = asyncio.Event()

    def _jobs(self) -> Iterator[Job]:
        for number in range(self._shape.posts):
            yield Job(self._room_ids[number % len(self._room_ids)], f"post-{number}")

    async def run(self) -> Outcome:
        """Post everything, wait until the subscribers have seen it."""
        async with asyncio.TaskGroup() as group:
            subscribers = [Subscriber(self, n, self._room_ids) for n in range(len(self._places))]
            self.outcome.seen = [each.seen for each in subscribers]
            listening = [group.create_task(each.run()) for each in subscribers]
            await asyncio.gather(*(each.joined.wait() for each in subscribers))
            killing = group.create_task(self._kill()) if self._shape.kill else None
            began = time.monotonic()
            await self._post_everything()
            self.outcome.seconds = time.monotonic() - began
            seen = [group.create_task(each.until(self._shape.posts)) for each in subscribers]
            await asyncio.wait(seen, timeout=SEEN_S)
            for task in [*listening, *seen, *([killing] if killing else [])]:
                task.cancel()
        return self.outcome

    def place(self, number: int) -> Place:
        """The gateway of a poster or subscriber; another one when that is gone."""
        alive = [place for place in self._places if not place.gone.is_set()]
        return alive[number % len(alive)]

    async def _kill(self) -> None:
        await self._half.wait()
        self._places[-1].hub.kill()
        self._places[-1].gone.set()

    # Posters.

    async def _post_everything(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self._shape.posters):
                over = self._over_rest if number < self._shape.rest else self._over_socket
                group.create_task(self._poster(number, over))

    async def _poster(self, number: int, over: Callable[[Place], Awaitable[None]]) -> None:
        while not self._done.is_set():
            with contextlib.suppress(Unavailable):
                await over(self.place(number))
            await asyncio.sleep(RETRY_S)

    async def _over_rest(self, place: Place) -> None:
        async with open_client(place.address, self._key) as client:
            await self._work(place, "REST", lambda job: _post_rest(client, job))

    async def _over_socket(self, place: Place) -> None:
        async with asyncio.TaskGroup() as group:
            async with self.open(place) as connection:
                work = self._work

                async def post(job: Job) -> tuple[str, int]:
                    posted = await connection.post(job.room_id, CONTENT, client_id=job.key)
                    return posted.id, posted.seq

                for _ in range(self._shape.window):
                    group.create_task(work(place, "WebSocket", post))
                await self._until_done_or(place.gone)

    @contextlib.asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[RoomConnection]:
        async with open_connection(place.address, self._key, Options(events=5_000)) as connection:
            yield connection

    async def _until_done_or(self, gone: asyncio.Event) -> None:
        waiting = [asyncio.create_task(event.wait()) for event in (self._done, gone)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _work(
        self, place: Place, via: str, post: Callable[[Job], Awaitable[tuple[str, int]]]
    ) -> None:
        """Make posts until there are none, or the gateway is gone."""
        while not place.gone.is_set() and (job := self._next()) is not None:
            try:
                ack = await post(job)
            except (Unavailable, Limited) as error:
                self._again.append(job)
                self.outcome.unknown += error.code == "OUTCOME_UNKNOWN"
                if isinstance(error, Unreachable):
                    return
                await asyncio.sleep(RETRY_S)
                continue
            self._acknowledge(job, ack, via)

    def _next(self) -> Job | None:
        return self._again.popleft() if self._again else next(self._fresh, None)

    def _acknowledge(self, job: Job, ack: tuple[str, int], via: str) -> None:
        self.outcome.acks[job.key] = ack
        self.outcome.via[via] += 1
        if len(self.outcome.acks) * 2 >= self._shape.posts:
            self._half.set()
        if len(self.outcome.acks) == self._shape.posts:
            self._done.set()


async def _post_rest(client: RoomhubClient, job: Job) -> tuple[str, int]:
    message = await client.post(job.room_id, CONTENT, client_id=job.key)
    return message["id"], message["seq"]


class Subscriber:
    """Follows every room on one gateway; on another, from where it was, when that is gone."""

    def __init__(self, posting: Posting, number: int, room_ids: list[str]) -> None:
        self.seen: dict[str, list[tuple[str, int]]] = {room_id: [] for room_id in room_ids}
        self.count = 0
        self.joined = asyncio.Event()
        self._posting = posting
        self._number = number
        self._cursors: dict[str, tuple[int, str]] = {}
        self._grew = asyncio.Event()

    async def until(self, count: int) -> None:
        """Returns when so many messages have come."""
        while self.count < count:
            self._grew.clear()
            await self._grew.wait()

    async def run(self) -> None:
        while True:
            try:
                await self._follow(self._posting.place(self._number))
            except Unavailable:
                await asyncio.sleep(RETRY_S)

    async def _follow(self, place: Place) -> None:
        async with self._posting.open(place) as connection, asyncio.TaskGroup() as group:
            joining = group.create_task(self._join(connection))
            async for event in connection:
                if isinstance(event, Logged):
                    self._take(event)
                elif isinstance(event, Joined) and event.missed:
                    self._posting.outcome.missed.append(event.room_id)
                elif isinstance(event, Disconnected) and place.gone.is_set():
                    self._posting.outcome.resumed += 1
                    joining.cancel()
                    return

    async def _join(self, connection: RoomConnection) -> None:
        for room_id in self.seen:
            since, epoch = self._cursors.get(room_id, (None, None))
            joined = await connection.subscribe(room_id, since=since, epoch=epoch)
            self._cursors.setdefault(room_id, (joined.head, joined.epoch))
        self.joined.set()

    def _take(self, event: Logged) -> None:
        if event.type == "message.created":
            self.seen[event.room_id].append((event.data["id"], event.seq))
            self.count += 1
            self._grew.set()
        if event.room_id in self._cursors:
            self._cursors[event.room_id] = (event.seq, self._cursors[event.room_id][1])


# What must hold.


async def faults(url: str, log: str, outcome: Outcome, room_ids: list[str]) -> list[str]:
    """What is wrong, each in a sentence; `log` is what PostgreSQL has written."""
    connection = await asyncpg.connect(url)
    try:
        messages = await connection.fetch("SELECT id, seq, client_id FROM messages")
        heads = dict(await connection.fetch("SELECT id, head FROM rooms"))
        events = await connection.fetch("SELECT room_id, seq, type, ref FROM events ORDER BY seq")
    finally:
        await connection.close()
    rows = [(row["client_id"], row["id"], row["seq"]) for row in messages]
    found = [*_unlike_acks(rows, outcome.acks)]
    logs: dict[str, list[Any]] = {room_id: [] for room_id in room_ids}
    for row in events:
        if row["room_id"] in logs:
            logs[row["room_id"]].append(row)
    for room_id, entries in logs.items():
        found += _room_faults(room_id, entries, heads[room_id], outcome)
    if lines := [line for line in log.splitlines() if "deadlock" in line]:
        found.append(f"PostgreSQL told of {len(lines)} deadlocks: {lines[0]}")
    return found


def _unlike_acks(
    rows: list[tuple[str, str, int]], acks: dict[str, tuple[str, int]]
) -> Iterator[str]:
    twice = [key for key, count in Counter(key for key, _, _ in rows).items() if count > 1]
    stored = {key: (message_id, seq) for key, message_id, seq in rows}
    false = [key for key, ack in acks.items() if stored.get(key) != ack]
    if twice:
        yield f"{len(twice)} keys made more than one row, {twice[0]} first"
    if false:
        yield f"{len(false)} acknowledged posts are not stored as told, {false[0]} first"
    if len(rows) != len(acks):
        yield f"{len(rows)} rows, {len(acks)} acknowledged"


def _room_faults(room_id: str, entries: list[Any], head: int, outcome: Outcome) -> Iterator[str]:
    if [entry["seq"] for entry in entries] != list(range(1, head + 1)):
        yield f"{room_id}: its log is not 1 to {head}"
    told = [(e["ref"], e["seq"]) for e in entries if e["type"] == "message.created"]
    for number, seen in enumerate(outcome.seen):
        if seen[room_id] != told:
            got = len(seen[room_id])
            yield f"{room_id}: subscriber {number} got {got} of {len(told)}, or in another order"
    if room_id in outcome.missed:
        yield f"{room_id}: a subscriber was told that it had missed something"


async def make_rooms(cluster: Cluster, count: int) -> list[str]:
    """Rooms of the admin alone."""
    async with open_client(cluster.gateways[0].address, cluster.key) as client:
        return [(await client.create_room(f"Hot {n}"))["id"] for n in range(count)]


async def measure(cluster: Cluster, shape: Shape) -> tuple[Outcome, list[str]]:
    """One run and its faults."""
    room_ids = await make_rooms(cluster, shape.rooms)
    try:
        outcome = await Posting(cluster, shape, room_ids).run()
    except* HubError as group:
        raise RuntimeError(f"a client was refused: {group.exceptions[0]!r}") from group
    log = (cluster.postgres.home / "log").read_text(errors="replace")
    return outcome, await faults(cluster.postgres.url(), log, outcome, room_ids)
