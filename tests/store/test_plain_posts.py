"""`hub.store.plain_posts`: on SQLite one statement stores what others need many for."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
from sqlalchemy import Connection, text

from hub.core.posts import Posted
from hub.store.store import SqlStore
from tests.support.parts import ACME, Posts, add_room, database
from tests.support.redis import until

__all__ = ["database"]  # a SQLite file alone


def driver_of(connection: Connection) -> Any:
    return connection.connection.driver_connection


async def rows(store: SqlStore, sql: str) -> list[tuple[object, ...]]:
    return await store.database.read(lambda c: [tuple(r) for r in c.execute(text(sql))])


async def test_a_batch_of_plain_posts_is_one_statement(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    await posts.send()
    said: list[str] = []
    await store.database.write(lambda c: driver_of(c).set_trace_callback(said.append))
    said.clear()
    await store.posts.commit([await posts.new() for _ in range(5)])
    assert len({*said}) == 1  # the trigger's own are told in its name
    assert said[0].startswith("INSERT INTO plain_posts")


async def test_what_goes_wrong_in_the_midst_of_it_is_told_as_what_it_is(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    with pytest.raises(TypeError, match="surrogates"):
        await store.posts.commit([await posts.new(), await posts.new(content="\ud800")])
    assert await rows(store, "SELECT id FROM messages") == []
    assert isinstance(await posts.send(), Posted)
    assert await store.messages.get(ACME, "room_1", "msg_00003") is not None


async def test_nothing_of_a_batch_is_kept_when_it_is_stored(store: SqlStore) -> None:
    class Said(str):
        """A text that can be watched."""

    await add_room(store)
    posts = Posts(store)
    new = await posts.new(content=Said("something large"))
    kept = weakref.ref(new.content)
    await store.posts.commit([new])
    del new
    await until(lambda: kept() is None, within_s=2)
