"""`hub.gateway.history`: what was missed is read once for all who resume at one place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hub.core.posts import LogRow
from hub.gateway.fanout import Fanout
from hub.gateway.history import REPLAY_PAGE, History
from hub.ports import Place, Standing
from hub.store.store import SqlStore
from tests.support.parts import Posts, add_room

from .fakes import Client, FakeBus, not_restored

MANY = 100


class CountingLog:
    """A store's log that counts how often it is read."""

    def __init__(self, store: SqlStore) -> None:
        self._log = store.log
        self.reads = 0
        self.read_standings = 0
        self.found = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def pages(self, asked: Sequence[Place]) -> dict[Place, list[LogRow]]:
        self.reads += 1
        pages = await self._log.pages(asked)
        self.found.set()
        await self.gate.wait()
        return pages

    async def standings(self, room_ids: Sequence[str]) -> dict[str, Standing]:
        self.read_standings += 1
        return await self._log.standings(room_ids)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


async def _fill(store: SqlStore, count: int) -> None:
    await add_room(store)
    posts = Posts(store)
    await store.posts.commit([await posts.new() for _ in range(count)])


async def test_many_clients_at_one_position_are_served_by_one_read(store: SqlStore) -> None:
    """Those who come while a read is under way share the next; so two, not a hundred."""
    await _fill(store, 50)
    log = CountingLog(store)
    history = History(log)
    pages = await asyncio.gather(*(history.page("room_1", 0, REPLAY_PAGE) for _ in range(MANY)))
    standings = await asyncio.gather(*(history.standing("room_1") for _ in range(MANY)))
    assert {53} == {page.last for page in pages if page is not None}
    assert {53} == {standing.head.head for standing in standings if standing is not None}
    assert log.reads <= 2
    assert log.read_standings <= 2


async def test_pages_of_many_rooms_are_read_together(store: SqlStore) -> None:
    """Or those who come back to many rooms stand in line for a connection until it is too late."""
    rooms = [f"room_{number}" for number in range(20)]
    for room_id in rooms:
        await add_room(store, room_id)
    log = CountingLog(store)
    history = History(log)
    pages = await asyncio.gather(*(history.page(room_id, 1, 2) for room_id in rooms))
    assert [3] * 20 == [page.last for page in pages if page is not None]
    assert await history.page("room_0", 3, 2) is None
    assert log.reads <= 3


async def test_a_hundred_clients_that_resume_together_cost_a_few_reads_a_page(
    store: SqlStore,
) -> None:
    await _fill(store, 2 * REPLAY_PAGE)
    log, clients = CountingLog(store), [Client() for _ in range(MANY)]

    class Counted:
        def __getattr__(self, name: str) -> Any:
            return log if name == "log" else getattr(store, name)

    async def may_read(*_: object) -> bool:
        return True

    as_store: Any = Counted()
    as_bus: Any = FakeBus()
    fanout = Fanout(
        as_store, as_bus, may_read,
        head_check_s=60, unsubscribe_delay_s=60, restored=not_restored,
    )  # fmt: skip
    async with fanout.running():

        async def join(client: Client) -> None:
            joining = await fanout.prepare(client, "room_1", None)
            joining.position = 0
            await fanout.complete(client, joining)

        await asyncio.gather(*map(join, clients))
    head = 2 * REPLAY_PAGE + 3
    assert all(client.seqs == list(range(1, head + 1)) for client in clients)
    assert log.reads <= 20, "four pages"


async def test_a_page_is_read_after_it_was_asked_for(store: SqlStore) -> None:
    """Whoever asks while a read is under way, may know of an event that it does not see."""
    await _fill(store, 1)
    log, posts = CountingLog(store), Posts(store, count=100)
    history = History(log)
    log.gate.clear()
    first = asyncio.create_task(history.page("room_1", 0, REPLAY_PAGE))
    await log.found.wait()
    await posts.send()
    second = asyncio.create_task(history.page("room_1", 0, REPLAY_PAGE))
    await asyncio.sleep(0)
    log.gate.set()
    assert [4, 5] == [page.last for page in (await first, await second) if page is not None]
