"""Waiting for what is kept for a day to be forgotten without holding up anybody."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from hub.store.schema import chains, idempotency
from hub.store.store import FORGOTTEN_AT_ONCE, SqlStore

MANY = 2 * FORGOTTEN_AT_ONCE + 1


class Counting:
    """A database that keeps what its writes returned."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.written: list[Any] = []

    async def read(self, work: Callable[[Connection], Any], *, long: bool = False) -> Any:
        return await self._database.read(work, long=long)

    async def write(self, work: Callable[[Connection], Any]) -> Any:
        self.written.append(await self._database.write(work))
        return self.written[-1]


def _fill(connection: Connection) -> None:
    keys: list[dict[str, Any]] = [
        {"scope": "s", "key": f"k{n}", "digest": "d", "ref": "r", "created_ms": n}
        for n in range(MANY + 1)
    ]
    connection.execute(insert(idempotency), keys)
    roots = [{"root_message_id": f"m{n}", "replies": 1, "at_ms": n} for n in range(MANY + 1)]
    connection.execute(insert(chains), roots)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


async def test_what_is_old_is_forgotten_by_and_by(store: SqlStore) -> None:
    await store.database.write(_fill)
    counting = Counting(store.database)
    assert MANY == await SqlStore(counting, store.posts).forget_keys(MANY)
    assert FORGOTTEN_AT_ONCE == max(counting.written)
    for table in (idempotency, chains):
        left = partial(_count, table=table)
        assert 1 == await store.database.read(left)
