"""`hub.parts`, the gateway and the pool on them: whatever a call raises that nobody expected, no
work in the background ends, and everything is done all the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, cast

import pytest

from hub.bus.redis import RedisBus, open_bus
from hub.core.chat import Usage as Tokens
from hub.gateway.connection import Connection
from hub.gateway.gateway import Gateway
from hub.parts import Parts, assemble, now_ms, open_catalogue, working
from hub.service.writer import Writer
from hub.settings import Settings
from hub.store.access_changes import note_change
from hub.store.store import SqlStore
from tests.gateway.fakes import Event, FakeSocket
from tests.service.fakes import Answers, GatedPosts
from tests.service.test_writer import post
from tests.support.faulty import Faulty
from tests.support.parts import (
    ALICE,
    ELIZA,
    add_room,
    blank_database,
    database,
    settings,
    store,
)
from tests.support.redis import prefix, until, valkey
from tests.workers.fakes import FINISH, FakeDriver, tools
from workers.pool import Pool

__all__ = ["blank_database", "database", "prefix", "settings", "store", "valkey"]
BUS: Final = frozenset({
    "publish", "lives.note", "lives.orphans", "presence.put", "presence.read", "woken",
    "watch_cuts",
})  # fmt: skip
STORE: Final = frozenset({
    "forget_keys", "completions.add", "access_changes.after", "runs.due", "keys.used",
})  # fmt: skip

MENTION: Final = (
    '{"id": "post", "type": "post", "room_id": "room_1", "content": "hello",'
    f' "mention": [{{"type": "persona", "id": "{ELIZA}"}}]}}'
)


@dataclass(frozen=True, slots=True)
class House:
    """A hub without its edges, and what fails in it."""

    parts: Parts
    gateway: Gateway
    bus: Faulty
    store: Faulty


@contextlib.asynccontextmanager
async def open_house(
    settings: Settings, store: SqlStore, valkey: str, fault: Callable[[], BaseException]
) -> AsyncIterator[House]:
    async with (
        open_bus(valkey, settings.redis_prefix, "a") as bus,
        open_catalogue(settings, store) as models,
    ):
        bad_bus, bad_store = Faulty(bus, BUS, fault), Faulty(store, STORE, fault)
        parts = assemble(settings, cast("SqlStore", bad_store), cast("RedisBus", bad_bus), models)
        parts.access.uses.every_s = 0.01
        gateway, stopping = Gateway(parts), asyncio.Event()
        pool = Pool(tools(parts, FakeDriver("hi", FINISH)), "worker")
        async with working(parts), gateway.running(), asyncio.TaskGroup() as group:
            group.create_task(pool.run(stopping))
            yield House(parts, gateway, bad_bus, bad_store)
            stopping.set()


@pytest.mark.parametrize(
    "fault",
    [
        lambda: RuntimeError("a transport that is closed"),
        lambda: ExceptionGroup("of a task group", [KeyError("a name")]),
        asyncio.CancelledError,
    ],
    ids=["runtime-error", "group", "cancelled-by-nobody"],
)
async def test_no_work_in_the_background_ends_whatever_each_of_its_calls_raises(
    settings: Settings, store: SqlStore, valkey: str, fault: Callable[[], BaseException]
) -> None:
    await add_room(store)
    async with open_house(settings, store, valkey, fault) as house:
        socket = FakeSocket(house.gateway.apart)
        connection = Connection("conn_1", socket, house.gateway, now_ms)
        connection.greet(ALICE)
        await store.database.write(lambda c: note_change(c, "key", "key_nobody_has", now_ms()))
        await _use(house, socket, connection)
        connection.close(1000, "bye")


async def test_a_store_that_never_answers_does_not_keep_the_hub_from_ending(
    settings: Settings, store: SqlStore, valkey: str
) -> None:
    posts, told = GatedPosts(), Answers()
    posts.gate.clear()
    async with (
        asyncio.timeout(20),
        open_bus(valkey, settings.redis_prefix, "a") as bus,
        open_catalogue(settings, store) as models,
    ):
        parts = assemble(settings, store, bus, models)
        parts = replace(parts, writer=Writer(posts, parts.publisher, store.log))
        async with working(parts, stored_s=0.1):
            parts.writer.submit(post(1), told)
            await posts.begun.wait()
            parts.writer.submit(post(2), told)
    assert ["OUTCOME_UNKNOWN", "STORE_UNAVAILABLE"] == [error.code for error in told.errors]


async def _use(house: House, socket: FakeSocket, connection: Connection) -> None:
    """Until every call has failed once; then a mention is answered, and seen."""
    numbers = count()

    async def joined() -> bool:
        number = next(numbers)
        connection.on_frame(f'{{"id": {number}, "type": "subscribe", "room_id": "room_1"}}')
        return bool((await socket.reply_to(number))["ok"])

    await until(joined)
    house.parts.access.uses.note(ALICE.key_id, 1)
    house.parts.usage.count(ALICE, "big", Tokens(1, 1), 1)
    house.parts.publisher.put((), ["run_nobody_knows"])
    await until(lambda: house.bus.all_failed and house.store.all_failed)
    connection.on_frame(MENTION)
    await socket.wait_for(lambda _: any(map(_is_reply, socket.said)))


def _is_reply(event: Event) -> bool:
    return event["type"] == "message.created" and ELIZA == str(event["data"]["author"]["id"])
