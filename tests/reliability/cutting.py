"""Clients that are cut again and again under load, and resume by what they have applied.

They are raw: what the hub sends is applied as it comes, nothing is dropped or put in order, so that
every repetition, gap and turn on the wire counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from hub.client.connection import RoomConnection, open_connection
from hub.client.options import Options
from hub.client.rest import open_client
from hub.core.errors import Unavailable
from hub.gateway.joining import REPLAY_MOST
from tests.support.cluster import Cluster
from tests.support.logs import Applied, Tally, compare, read_messages

Cut = Literal["RST", "clean", "half-open"]
Kind = Literal["plain", "during the resume", "from the future", "from another epoch"]
CUTS: Final[tuple[Cut, ...]] = ("RST", "clean", "half-open")
KINDS: Final[tuple[Kind, ...]] = (
    "plain", "plain", "plain", "during the resume", "from the future", "from another epoch",
)  # fmt: skip
SETTLED_S: Final = 90.0
LULL_S: Final = 1.0
HALF_OPEN: Final = 4
FAR: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """`clients` follow `rooms` rooms that get `per_s` posts a second, until `cuts` were made."""

    cuts: int = 2_000
    clients: int = 24
    rooms: int = 4
    per_s: float = 200.0
    seed: int = 1


@dataclass
class Outcome:
    """What was done, and what came of it."""

    cuts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    posts: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    too_far: int = 0
    ended: list[str] = field(default_factory=list)
    resumes_ms: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


class _Again(Exception):
    """The hub could not serve this now: go away, and come back as after a cut."""


class CutClient:
    """One client on many connections, one after the other."""

    def __init__(self, cutting: Cutting, number: int) -> None:
        self.applied: dict[str, Applied] = {}
        self._cutting = cutting
        self._outcome = cutting.outcome
        self._pick = random.Random(f"{cutting.shape.seed}-{number}")
        self._epochs: dict[str, str] = {}
        self._waiting: set[str] = set()
        self._last = ""
        self._half_open: list[socket.socket] = []

    async def run(self) -> None:
        """Be cut until there were enough cuts, then catch up and stay until the end."""
        try:
            while not self._cutting.enough:
                await self._connection(stay=False)
                await asyncio.sleep(self._pick.choice((0, 0, self._pick.random() * 0.5)))
            while not (self.applied and self._cutting.complete(self)):
                await self._connection(stay=True)
        finally:
            for each in self._half_open:
                each.close()

    def where(self, heads: dict[str, int]) -> str:
        """What it still waits for, to be told when that does not come."""
        behind = {
            room_id: head - self.applied[room_id].position if room_id in self.applied else None
            for room_id, head in heads.items()
        }
        return f"at {self._last}, behind {behind}, no reply for {sorted(self._waiting)}"

    async def _connection(self, *, stay: bool) -> None:
        address = self._pick.choice(self._cutting.addresses)
        self._outcome.moved += bool(self._last) and address != self._last
        self._last = address
        where = urlsplit(address)
        raw = socket.create_connection((where.hostname, where.port or 80))
        raw.setblocking(False)
        ours = raw.dup()
        headers = {"Authorization": f"Bearer {self._cutting.key}"}
        try:
            client = await connect(
                address.replace("http", "ws", 1) + "/v1/ws", sock=raw, max_queue=None,
                additional_headers=headers, compression=None, max_size=None, ping_interval=None,
            )  # fmt: skip
            await self._serve(client, stay=stay)
            await self._end(client, ours)
        except (WebSocketException, ConnectionError, TimeoutError) as error:
            self._outcome.refused[type(error).__name__] += 1
            self._outcome.ended.append(repr(error))
            ours.close()
            await asyncio.sleep(0.1)
        except _Again:
            await self._end(client, ours)

    async def _serve(self, client: ClientConnection, *, stay: bool) -> None:
        kind: Kind = "plain" if stay or not self.applied else self._pick.choice(KINDS)
        self._outcome.kinds[kind] += 1
        await client.recv()  # hello
        if kind in ("from the future", "from another epoch"):
            await self._try_unfit(client, kind)
        began = time.monotonic()
        await self._subscribe(client)
        if kind == "during the resume":
            await self._read_some(client, self._pick.randint(0, 12))
            return
        while self._waiting:
            await self._take_one(client)
        self._outcome.resumes_ms.append((time.monotonic() - began) * 1000)
        if stay:
            while not self._cutting.complete(self):
                await self._read_for(client, 0.1)
        else:
            await self._read_for(client, self._pick.random() * 0.6)

    async def _subscribe(self, client: ClientConnection) -> None:
        self._waiting = set(self._cutting.room_ids)
        rooms = [self._cursor(room_id) for room_id in self._cutting.room_ids]
        if self._pick.random() < 0.5:
            await self._send(client, {"id": 1, "type": "subscribe", "rooms": rooms})
            return
        for room in rooms:
            await self._send(client, {"id": 1, "type": "subscribe"} | room)

    def _cursor(self, room_id: str) -> dict[str, Any]:
        if room_id not in self.applied:
            return {"room_id": room_id}
        since = self.applied[room_id].position
        return {"room_id": room_id, "since": since, "epoch": self._epochs[room_id]}

    async def _try_unfit(self, client: ClientConnection, kind: Kind) -> None:
        """A cursor that cannot fit is answered so; then the room is left, and resumed rightly."""
        room_id = self._pick.choice(self._cutting.room_ids)
        cursor = self._cursor(room_id)
        if kind == "from the future":
            cursor["since"] += FAR
        else:
            cursor["epoch"] = "of a database that is gone"
        await self._send(client, {"id": 2, "type": "subscribe"} | cursor)
        reply = await self._reply(client, 2)
        if reply["recovered"] is not False:
            self._outcome.wrong.append(f"a cursor {kind} was answered with recovered")
        await self._send(client, {"id": 3, "type": "unsubscribe", "room_id": room_id})
        await self._reply(client, 3)

    async def _reply(self, client: ClientConnection, number: int) -> dict[str, Any]:
        """The data of a reply; events before it are not applied."""
        while True:
            frame = orjson.loads(await client.recv())
            if frame["type"] == "reply" and frame["id"] == number:
                if not frame["ok"]:
                    self._outcome.refused[frame["error"]["code"]] += 1
                    raise _Again
                return dict(frame["data"])

    async def _send(self, client: ClientConnection, command: dict[str, Any]) -> None:
        await client.send(orjson.dumps(command), text=True)

    async def _read_some(self, client: ClientConnection, frames: int) -> None:
        """So many, or as many as come: nobody posts any more once there were enough cuts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LULL_S):
                for _ in range(frames):
                    await self._take_one(client)

    async def _read_for(self, client: ClientConnection, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._take_one(client)

    async def _take_one(self, client: ClientConnection) -> None:
        frame = orjson.loads(await client.recv())
        if frame["type"] == "reply" and not frame["ok"]:
            self._outcome.refused[frame["error"]["code"]] += 1
            raise _Again
        if frame["type"] == "reply":
            for joined in frame["data"].get("rooms") or [frame["data"]]:
                self._join(joined)
        elif frame["type"] == "message.created":
            entry = (frame["seq"], frame["data"]["id"])
            self.applied[frame["room_id"]].entries.append(entry)

    def _join(self, joined: dict[str, Any]) -> None:
        room_id = joined["room_id"]
        self._waiting.discard(room_id)
        self._epochs[room_id] = joined["epoch"]
        if room_id not in self.applied:
            self.applied[room_id] = Applied(joined["head"])
        elif not joined["recovered"]:
            self._not_recovered(self.applied[room_id], joined["head"])

    def _not_recovered(self, applied: Applied, head: int) -> None:
        """Right only for who is further behind than is replayed."""
        behind = head - applied.position
        if behind <= REPLAY_MOST:
            self._outcome.wrong.append(f"a right cursor was not recovered, {behind} behind {head}")
        self._outcome.too_far += 1
        applied.told.append(range(applied.position + 1, head + 1))

    async def _end(self, client: ClientConnection, ours: socket.socket) -> None:
        """Go away in one of three manners."""
        how = self._pick.choice(CUTS)
        self._outcome.cuts[how] += 1
        if how == "RST":
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ours.close()
            client.transport.abort()
        elif how == "clean":
            await client.close()
            ours.close()
        else:  # our end stays open and silent; the hub must find out by itself
            client.transport.pause_reading()
            self._half_open.append(ours)
            client.transport.abort()
            if len(self._half_open) > HALF_OPEN:
                self._half_open.pop(0).close()


class Cutting:
    """One run on gateways that are up."""

    def __init__(self, cluster: Cluster, shape: Shape, room_ids: list[str]) -> None:
        self.shape = shape
        self.outcome = Outcome()
        self.room_ids = room_ids
        self.key = cluster.key
        self.addresses = [hub.address for hub in cluster.gateways]
        self._heads: dict[str, int] = {}
        self._posted = asyncio.Event()

    @property
    def enough(self) -> bool:
        return self.outcome.cuts.total() >= self.shape.cuts

    def complete(self, client: CutClient) -> bool:
        """Whether a client has everything, now that no more comes."""
        return self._posted.is_set() and all(
            client.applied[room_id].position >= head for room_id, head in self._heads.items()
        )

    async def run(self) -> list[CutClient]:
        clients = [CutClient(self, number) for number in range(self.shape.clients)]
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(client.run()) for client in clients]
            await self._post()
            self.outcome.seconds = time.monotonic() - began
            self._posted.set()
            _, late = await asyncio.wait(running, timeout=SETTLED_S)
            self.outcome.wrong += [
                f"did not catch up: {client.where(self._heads)}"
                for client, task in zip(clients, running, strict=True)
                if task in late
            ]
            for task in late:
                task.cancel()
        return clients

    async def _post(self) -> None:
        """Posts at an even pace, by turns over both gateways, until there were enough cuts."""
        pick, began = random.Random(self.shape.seed), time.monotonic()
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            doors = [
                await stack.enter_async_context(open_connection(each, self.key, Options()))
                for each in self.addresses
            ]
            while not self.enough:
                number = self.outcome.posts
                self.outcome.posts += 1
                room_id = pick.choice(self.room_ids)
                group.create_task(self._one(doors[number % len(doors)], room_id, f"post-{number}"))
                due = began + self.outcome.posts / self.shape.per_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _one(self, door: RoomConnection, room_id: str, key: str) -> None:
        while True:
            try:
                posted = await door.post(room_id, "x" * 100, client_id=key)
                break
            except Unavailable as error:
                self.outcome.refused[f"post: {error.code}"] += 1
                await asyncio.sleep(error.retry_after or 1)
        self._heads[room_id] = max(posted.seq, self._heads.get(room_id, 0))


async def cut(cluster: Cluster, shape: Shape) -> Outcome:
    """One run, compared with the database."""
    async with open_client(cluster.gateways[0].address, cluster.key) as client:
        room_ids = [(await client.create_room(f"Cut {n}"))["id"] for n in range(shape.rooms)]
    cutting = Cutting(cluster, shape, room_ids)
    clients = await cutting.run()
    stored = await read_messages(cluster.postgres.url())
    for room_id in room_ids:
        lists = [client.applied[room_id] for client in clients]
        cutting.outcome.tally += compare(stored.get(room_id, []), lists)
    return cutting.outcome
