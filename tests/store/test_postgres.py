"""PostgreSQL under two gateways at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable

import pytest

from hub.core.errors import Unavailable
from hub.core.posts import LogRow, NewPost, Posted, RequestKey
from hub.service.writer import Writer
from hub.store.opening import open_store
from hub.store.store import SqlStore
from tests.support.parts import Posts, add_room
from tests.support.postgres import PostgresServer

ROOMS, POSTS = 4, 300


class Heard:
    """A publisher that only keeps what it is given."""

    def __init__(self) -> None:
        self.seqs: dict[str, list[int]] = {}

    def put(
        self, rows: Iterable[LogRow], runs: Iterable[str] = (), cut: Iterable[str] = ()
    ) -> None:
        for entry, _ in rows:
            self.seqs.setdefault(entry.room_id, []).append(entry.seq)

    def lost(self, room_ids: Iterable[str]) -> None:
        raise AssertionError(f"lost {room_ids}")


async def _write(store: SqlStore, posts: list[NewPost]) -> tuple[Heard, list[Posted]]:
    """Post everything at once through a writer of its own."""
    heard = Heard()
    writer = Writer(store.posts, heard, store.log)  # type: ignore[arg-type]
    running = asyncio.create_task(writer.run())
    stored = await asyncio.gather(*(writer.post(post) for post in posts))
    writer.close()
    await running
    return heard, stored


@pytest.fixture
def url(postgres: PostgresServer, request: pytest.FixtureRequest) -> str:
    return postgres.create_database(f"two_{abs(hash(request.node.name))}", template="blank")


async def test_two_gateways_that_post_to_the_same_rooms_agree_on_one_dense_order(url: str) -> None:
    async with open_store(url) as one, open_store(url) as two:
        rooms = [f"room_{i}" for i in range(ROOMS)]
        starts = {each: (await add_room(one, each)).head for each in rooms}
        posts = Posts(one)
        made = [await posts.new(rooms[i % ROOMS], f"{i}") for i in range(2 * POSTS)]
        (heard_one, _), (heard_two, _) = await asyncio.gather(
            _write(one, made[::2]), _write(two, made[1::2])
        )
        for each in rooms:
            log = [entry.seq for entry, _ in await one.log.read(each, starts[each], 10_000)]
            told = heard_one.seqs.get(each, []), heard_two.seqs.get(each, [])
            assert all(seqs == sorted(seqs) for seqs in told)
            assert log == sorted([*told[0], *told[1]])
            assert log == list(range(starts[each] + 1, starts[each] + 1 + 2 * POSTS // ROOMS))


async def test_one_key_on_two_gateways_makes_one_row(url: str) -> None:
    async with open_store(url) as one, open_store(url) as two:
        await add_room(one)
        posts = Posts(one)
        key = RequestKey("acme/user_alice/post/room_1/", "same", "digest")
        made = [await posts.new(key=key) for _ in range(40)]
        (_, first), (_, second) = await asyncio.gather(
            _write(one, made[::2]), _write(two, made[1::2])
        )
        assert 1 == len({posted.message_id for posted in [*first, *second]})
        assert 1 == len(await one.messages.page("room_1", limit=50))


async def test_while_the_server_is_away_a_post_is_refused_and_later_ones_are_stored(
    postgres: PostgresServer, url: str
) -> None:
    async with open_store(url) as store:
        await add_room(store)
        posts = Posts(store)
        post = await posts.new()
        postgres.stop(signal.SIGQUIT)
        try:
            with pytest.raises(Unavailable):
                await store.posts.commit([post])
        finally:
            postgres.start()
        for _ in range(20):
            try:
                (stored,) = await store.posts.commit([await posts.new(content="after")])
                break
            except Unavailable:
                continue
        assert isinstance(stored, Posted)
        assert ["after"] == [m.content for m in await store.messages.page("room_1", limit=9)]
