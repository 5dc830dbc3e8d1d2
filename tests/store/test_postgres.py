"""PostgreSQL under two gateways at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, text

from hub.core.errors import Unavailable
from hub.core.posts import Deferred, LogRow, NewPost, Posted, RequestKey
from hub.service.unpublished import Unpublished
from hub.service.writer import Writer
from hub.store.lanes import CONNECTIONS, HELD, Lane
from hub.store.opening import open_store
from hub.store.postgres import STATEMENT_S, PostgresDatabase, make_engine
from hub.store.store import SqlStore
from tests.support.parts import ACME, ELIZA, Posts, add_room, add_session, audit
from tests.support.postgres import PostgresServer
from tests.support.redis import until

ROOMS, POSTS = 4, 300


class Heard:
    """A publisher that only keeps what it is given."""

    def __init__(self) -> None:
        self.seqs: dict[str, list[int]] = {}
        no_bus: Any = None
        self.unpublished = Unpublished(no_bus)

    def put_posts(
        self, rows: Iterable[LogRow], runs: Iterable[str], cut: Iterable[str], batch: int
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


# Who waits behind whom.


_BUSY = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'advisory'"""


@contextlib.asynccontextmanager
async def _stuck(url: str, store: SqlStore, lane: Lane) -> AsyncIterator[None]:
    """Far more work of one kind than there are connections, none of which ends before this does."""

    def work(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock_shared(7)"))

    async def ask() -> None:
        await (
            store.database.write(work)
            if lane is Lane.WRITE
            else store.database.read(work, long=lane is Lane.LONG)
        )

    other = await asyncpg.connect(url)
    try:
        await other.execute("SELECT pg_advisory_lock(7)")
        async with asyncio.TaskGroup() as group:
            for _ in range(3 * CONNECTIONS):
                group.create_task(ask())

            async def busy() -> bool:
                found: int = await other.fetchval(_BUSY)
                return HELD[lane] == found

            await until(busy)
            yield
            await other.execute("SELECT pg_advisory_unlock(7)")
    finally:
        await other.close()


async def test_behind_slow_pages_of_history_everything_else_goes_on(url: str) -> None:
    async with open_store(url) as store:
        await add_room(store)
        post = await Posts(store).new()
        async with _stuck(url, store, Lane.LONG), asyncio.timeout(3):
            assert await store.rooms.view(post.tenant_id, "room_1")
            (stored,) = await store.posts.commit([post])
            assert isinstance(stored, Posted)


async def test_behind_slow_reads_leases_are_renewed_and_posts_stored(url: str) -> None:
    async with open_store(url) as store:
        await add_room(store)
        post = await Posts(store).new()
        async with _stuck(url, store, Lane.READ), asyncio.timeout(3):
            assert not await store.runs.renew("run_none", 1, 1)
            (stored,) = await store.posts.commit([post])
            assert isinstance(stored, Posted)


async def test_behind_slow_writes_posts_are_stored(url: str) -> None:
    async with open_store(url) as store:
        await add_room(store)
        post = await Posts(store).new()
        async with _stuck(url, store, Lane.WRITE), asyncio.timeout(3):
            (stored,) = await store.posts.commit([post])
            assert isinstance(stored, Posted)


# What every wait and every lock is held to.


async def _activity(store: SqlStore, sql: str) -> object:
    assert isinstance(store.database, PostgresDatabase)
    return await store.database.read(lambda c: c.execute(text(sql)).scalar_one())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("synchronous_commit", "on"),
        ("statement_timeout", f"{STATEMENT_S:g}s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ],
)
async def test_the_server_syncs_commits_and_bounds_statements(
    setting: str, value: str, url: str
) -> None:
    async with open_store(url) as store:
        assert value == await _activity(store, f"SHOW {setting}")


async def test_what_only_reads_begins_no_transaction(url: str) -> None:
    """To begin and end one costs two more messages to the server than the read."""
    begun = text("SELECT transaction_timestamp()")
    async with open_store(url) as store:
        first, second = await store.database.read(
            lambda c: (c.execute(begun).scalar_one(), c.execute(begun).scalar_one())
        )
        assert first < second
        first, second = await store.database.write(
            lambda c: (c.execute(begun).scalar_one(), c.execute(begun).scalar_one())
        )
        assert first == second


async def test_reads_open_no_more_connections_than_are_theirs(url: str) -> None:
    async with open_store(url) as store:

        async def nap() -> None:
            await _activity(store, "SELECT 1 FROM pg_sleep(0.05)")

        await asyncio.gather(*(nap() for _ in range(3 * CONNECTIONS)))
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        assert HELD[Lane.READ] == await _activity(store, count)


async def test_who_gets_no_connection_in_time_is_told_to_come_back(url: str) -> None:
    database = PostgresDatabase(make_engine(url), acquire_s=0.2)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(HELD[Lane.READ]):
                group.create_task(database.read(lambda c: c.execute(text("SELECT pg_sleep(1)"))))
            await asyncio.sleep(0.5)
            async with asyncio.timeout(0.45):
                with pytest.raises(Unavailable) as refused:
                    await database.read(lambda c: c.execute(text("SELECT 1")))
        assert refused.value.retry_after
    finally:
        await database.engine.dispose()


@pytest.mark.parametrize("state", ["40P01", "40001"])
async def test_a_deadlock_or_a_serialization_failure_is_tried_again(state: str, url: str) -> None:
    tries = 0

    async def fails_once(driver: Any) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            await driver.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")
        return int(await driver.fetchval("SELECT 7"))

    async with open_store(url) as store:
        assert isinstance(store.database, PostgresDatabase)
        assert 7 == await store.database.transact_driver(fails_once)
    assert 2 == tries


async def test_a_held_room_is_skipped_and_waited_for_only_when_told_to(url: str) -> None:
    async with open_store(url) as store:
        for each in ("room_a", "room_b"):
            await add_room(store, each)
        posts = Posts(store)
        other = await asyncpg.connect(url)
        try:
            holding = other.transaction()
            await holding.start()
            await other.execute("SELECT 1 FROM rooms WHERE id = 'room_a' FOR UPDATE")
            both = [await posts.new("room_a"), await posts.new("room_b")]
            async with asyncio.timeout(5):
                skipped, stored = await store.posts.commit(both)
            assert (Deferred, Posted) == (type(skipped), type(stored))
            waiting = asyncio.create_task(store.posts.commit(both[:1], wait=True))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            await holding.rollback()
            (stored,) = await waiting
            assert isinstance(stored, Posted)
        finally:
            await other.close()


async def test_a_run_that_somebody_changes_keeps_no_other_from_being_renewed(
    url: str,
) -> None:
    async with open_store(url) as store:
        await add_room(store)
        runs = (await Posts(store).send(calls=(ELIZA, "bot_own"))).runs
        for run in runs:
            assert await store.runs.claim(run.id, "worker", 60_000) is not None
        held = [(run.id, 1) for run in runs]
        other = await asyncpg.connect(url)
        try:
            holding = other.transaction()
            await holding.start()
            await other.execute("SELECT 1 FROM runs WHERE id = $1 FOR UPDATE", runs[0].id)
            renewing = asyncio.create_task(store.runs.renew_all(held, 60_000))
            await asyncio.wait({renewing}, timeout=5)
            waited = not renewing.done()
            await holding.rollback()
            renewed = await renewing
            assert not waited
            assert ([runs[1].id], frozenset()) == ([run.id for run in renewed.kept], renewed.lost)
        finally:
            await other.close()
        assert {run.id for run in runs} == {
            run.id for run in (await store.runs.renew_all(held, 60_000)).kept
        }


async def test_what_is_posted_while_a_session_is_erased_goes_with_it(url: str) -> None:
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    said = """INSERT INTO messages (id, room_id, seq, tenant_id, author_id, content, created_ms,
        depth, root_message_id) VALUES ('m', 'sess_1', 9, 'acme', 'user_alice', 'hi', 1, 0, 'm')"""
    async with open_store(url) as store:
        await add_session(store)
        other = await asyncpg.connect(url)
        try:
            posting = other.transaction()
            await posting.start()
            await other.execute("SELECT 1 FROM rooms WHERE id = 'sess_1' FOR NO KEY UPDATE")
            gone = audit("sess_1", "session.erased")
            erasing = asyncio.create_task(store.sessions.erase(ACME, "sess_1", gone))
            await until(lambda: other.fetchval(waits))
            await other.execute(said)
            await posting.commit()
            assert await erasing
            assert 0 == await other.fetchval("SELECT count(*) FROM messages")
        finally:
            await other.close()


@pytest.mark.parametrize("rows", ["keys", "rooms"])
async def test_batches_in_opposite_orders_take_their_locks_in_one(
    rows: str, postgres: PostgresServer, url: str
) -> None:
    """Patient batches wait for each other's rows: in the order of arrival they would deadlock."""
    log = postgres.home / "log"
    before = log.read_text().count("deadlock detected")
    many = 20 if rows == "rooms" else 500
    async with open_store(url) as one, open_store(url) as two:
        rooms = [f"room_{n}" for n in range(many if rows == "rooms" else 1)]
        for each in rooms:
            await add_room(one, each)
        posts = Posts(one)
        for turn in range(10):
            there = [
                await posts.new(
                    rooms[n % len(rooms)],
                    key=RequestKey("scope", f"{turn}-{n}", "same") if rows == "keys" else None,
                )
                for n in range(many)
            ]
            back = [post._replace(message_id=f"{post.message_id}b") for post in reversed(there)]
            await asyncio.gather(
                one.posts.commit(there, wait=True), two.posts.commit(back, wait=True)
            )
    assert before == log.read_text().count("deadlock detected")


async def test_after_a_cut_one_batch_fails_and_not_one_for_each_connection(
    postgres: PostgresServer, url: str
) -> None:
    async with open_store(url) as store:
        await add_room(store)
        posts = Posts(store)
        lost = await posts.new()
        await asyncio.gather(*(store.ping() for _ in range(3 * CONNECTIONS)))
        postgres.stop(signal.SIGQUIT)
        postgres.start()
        with pytest.raises(Unavailable):
            await store.posts.commit([lost])
        for _ in range(CONNECTIONS):
            await posts.send()
