"""The answer to a COMMIT is lost a hundred times: nothing is stored twice, nothing told falsely."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from hub.client.connection import open_connection
from hub.client.events import Logged
from hub.client.rest import open_client
from hub.core.errors import Unavailable
from tests.support.cluster import Cluster, run_cluster
from tests.support.commits import CommitCutter, run_commit_cutter

CUTS = 100
SEEN_S = 10.0
ROOMS = 3
ENV = {"HUB_HEAD_CHECK_S": "3600", "HUB_LOG_LEVEL": "error"}
Post = Callable[[str, str], Awaitable[tuple[str, int]]]


class Heard:
    """What a subscriber has got, by room in the order it came; waits for a post by its key."""

    def __init__(self) -> None:
        self.seqs: dict[str, list[int]] = {}
        self.joined = asyncio.Event()
        self._keys: set[str] = set()
        self._more = asyncio.Condition()

    async def follow(self, address: str, key: str, rooms: list[str]) -> None:
        async with open_connection(address, key) as connection:
            for room_id in rooms:
                self.seqs[room_id] = []
                await connection.subscribe(room_id)
            self.joined.set()
            async for event in connection:
                if isinstance(event, Logged):
                    self.seqs[event.room_id].append(event.seq)
                    async with self._more:
                        self._keys.add(event.data["client_id"])
                        self._more.notify_all()

    async def wait_for(self, key: str) -> None:
        """Returns when this post has come; fails when it does not within seconds."""
        async with asyncio.timeout(SEEN_S), self._more:
            await self._more.wait_for(lambda: key in self._keys)


class Poster:
    """Posts one after another; what was answered with an unknown outcome is repeated once both
    subscribers have seen it, for there it is stored."""

    def __init__(self, name: str, room_id: str, heard: list[Heard]) -> None:
        self.acks: dict[str, tuple[str, int]] = {}
        self.codes: Counter[str] = Counter()
        self._acked = asyncio.Event()
        self._name, self.room_id, self._heard = name, room_id, heard

    async def run(self, post: Post, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._one(post, f"{self._name}-{len(self.acks)}")

    async def acked(self) -> None:
        """Returns when one more post has been acknowledged."""
        self._acked.clear()
        await self._acked.wait()

    async def _one(self, post: Post, key: str) -> None:
        while key not in self.acks:
            try:
                self.acks[key] = await post(self.room_id, key)
                self._acked.set()
            except Unavailable as error:
                self.codes[error.code] += 1
                assert error.retry_after is not None
                if error.code == "OUTCOME_UNKNOWN":
                    await asyncio.gather(*(each.wait_for(key) for each in self._heard))


@pytest.mark.slow
async def test_a_commit_whose_answer_is_lost_is_never_told_falsely_nor_stored_twice(
    tmp_path: Path,
) -> None:
    with run_cluster(tmp_path, 1, env=ENV) as cluster:
        async with run_commit_cutter(cluster.postgres.port) as cutter:
            through = cluster.env["HUB_DATABASE_URL"].replace(
                f":{cluster.postgres.port}/", f":{cutter.port}/"
            )
            await asyncio.to_thread(cluster.start_gateway, HUB_DATABASE_URL=through)
            rooms, heard, posters = await _post_while_cutting(cluster, cutter)
        stored = await _stored(cluster.postgres.url())
    acks = {key: ack for poster in posters for key, ack in poster.acks.items()}
    unknown = sum(poster.codes["OUTCOME_UNKNOWN"] for poster in posters)
    assert CUTS == cutter.cuts
    assert CUTS <= unknown, "each cut hit a post"
    assert unknown < len(acks), "the others went on"
    assert {"OUTCOME_UNKNOWN"} == set().union(*(poster.codes for poster in posters))
    assert sorted((key, *ack) for key, ack in acks.items()) == stored
    for room_id, head in rooms.items():
        in_room = [seq for poster in posters if poster.room_id == room_id
                   for _, seq in poster.acks.values()]  # fmt: skip
        expected = list(range(head + 1, head + 1 + len(in_room)))
        assert expected == sorted(in_room)
        assert [expected] * 2 == [each.seqs[room_id] for each in heard]


async def _post_while_cutting(
    cluster: Cluster, cutter: CommitCutter
) -> tuple[dict[str, int], list[Heard], list[Poster]]:
    """Four posters on the gateway behind the cutter, two over REST; a subscriber on each gateway.
    Returns the rooms with their heads before."""
    plain, cut = cluster.gateways
    heard = [Heard(), Heard()]
    async with (
        open_client(cut.address, cluster.key) as client,
        open_connection(cut.address, cluster.key) as connection,
        asyncio.TaskGroup() as group,
    ):
        made = [await client.create_room(f"Cut {n}") for n in range(ROOMS)]
        rooms = {room["id"]: room["head"] for room in made}
        following = [
            group.create_task(each.follow(hub.address, cluster.key, list(rooms)))
            for each, hub in zip(heard, (plain, cut), strict=True)
        ]
        await asyncio.gather(*(each.joined.wait() for each in heard))

        async def over_rest(room_id: str, key: str) -> tuple[str, int]:
            message = await client.post(room_id, "hello", client_id=key)
            return message["id"], message["seq"]

        async def over_socket(room_id: str, key: str) -> tuple[str, int]:
            posted = await connection.post(room_id, "hello", client_id=key)
            return posted.id, posted.seq

        stop = asyncio.Event()
        posters = [Poster(f"p{n}", list(rooms)[n % ROOMS], heard) for n in range(4)]
        posting = [
            group.create_task(each.run(over_rest if n % 2 else over_socket, stop))
            for n, each in enumerate(posters)
        ]
        for _ in range(CUTS):
            async with asyncio.timeout(2 * SEEN_S):
                await cutter.cut_next()
                await asyncio.wait([asyncio.create_task(p.acked()) for p in posters])
        stop.set()
        await asyncio.gather(*posting)
        last = [list(poster.acks)[-1] for poster in posters]
        await asyncio.gather(*(each.wait_for(key) for each in heard for key in last))
        for task in following:
            task.cancel()
    return rooms, heard, posters


async def _stored(url: str) -> list[tuple[str, str, int]]:
    """Key, id and seq of every message, sorted."""
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch("SELECT client_id, id, seq FROM messages")
    finally:
        await connection.close()
    return sorted(tuple(row) for row in found)
