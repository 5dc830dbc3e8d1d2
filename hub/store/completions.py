"""What stateless completions used, and whether the tenant's budget allows another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hub.core.governor import Budget, Spent, budget_over
from hub.core.times import day_of
from hub.core.usage import Consumed, Consumer
from hub.core.values import Json
from hub.store.common import date_of
from hub.store.database import Database
from hub.store.schema import budgets, completions

_SUMS = ("requests", "prompt_tokens", "completion_tokens", "cost", "ms")


class SqlCompletions:
    """`CompletionStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def admit(self, tenant_id: str, at_ms: int, budget: Budget) -> str | None:
        return await self._database.write(lambda c: _admit(c, tenant_id, at_ms, budget))

    async def add(self, used: Mapping[Consumer, Consumed]) -> None:
        await self._database.write(lambda c: _add(c, used))

    async def usage(self, tenant_id: str, group_by: str, since_ms: int) -> list[Json]:
        return await self._database.read(
            lambda c: _usage(c, tenant_id, group_by, since_ms), long=True
        )


def _insert(connection: Connection, table: Table) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def _admit(connection: Connection, tenant_id: str, at_ms: int, budget: Budget) -> str | None:
    """Reads the day's row under its lock, so that of two that come together one is the last."""
    row = {"tenant_id": tenant_id, "scope": "tenant", "day": day_of(at_ms)}
    upsert = _insert(connection, budgets).values(**row, runs=0, tokens=0, ms=0)
    upsert = upsert.on_conflict_do_update(
        index_elements=list(row), set_={"runs": budgets.c.runs}
    ).returning(budgets.c.runs, budgets.c.tokens, budgets.c.ms)
    spent = Spent(*connection.execute(upsert).one())
    if over := budget_over("tenant", budget, spent):
        return over
    today = [budgets.c[name] == value for name, value in row.items()]
    connection.execute(update(budgets).where(*today).values(runs=budgets.c.runs + 1))
    return None


def _add(connection: Connection, used: Mapping[Consumer, Consumed]) -> None:
    for consumer, consumed in sorted(used.items()):
        sums = {name: getattr(consumed, name) for name in _SUMS}
        upsert = _insert(connection, completions).values(**consumer._asdict(), **sums)
        more = {name: completions.c[name] + upsert.excluded[name] for name in _SUMS}
        keys = list(consumer._fields)
        connection.execute(upsert.on_conflict_do_update(index_elements=keys, set_=more))
    for (tenant_id, day), spent in sorted(_by_day(used).items()):
        connection.execute(
            update(budgets)
            .where(budgets.c.tenant_id == tenant_id)
            .where(budgets.c.scope == "tenant", budgets.c.day == day)
            .values(tokens=budgets.c.tokens + spent.tokens, ms=budgets.c.ms + spent.ms)
        )


def _by_day(used: Mapping[Consumer, Consumed]) -> dict[tuple[str, str], Spent]:
    days: dict[tuple[str, str], Spent] = {}
    for consumer, consumed in used.items():
        at = (consumer.tenant_id, day_of(consumer.hour_ms))
        before = days.get(at, Spent())
        tokens = consumed.prompt_tokens + consumed.completion_tokens
        days[at] = Spent(0, before.tokens + tokens, before.ms + consumed.ms)
    return days


def _usage(connection: Connection, tenant_id: str, group_by: str, since_ms: int) -> list[Json]:
    key = _group(connection, group_by)
    sums = [func.sum(completions.c[name]).label(name) for name in _SUMS]
    statement = (
        select(key.label("key"), *sums)
        .where(completions.c.tenant_id == tenant_id, completions.c.hour_ms > since_ms - 3_600_000)
        .group_by(key)
        .order_by(key)
    )
    return [
        {
            "key": row.key, "completions": int(row.requests), "cost": float(row.cost),
            "prompt_tokens": int(row.prompt_tokens),
            "completion_tokens": int(row.completion_tokens), "seconds": int(row.ms) / 1000,
        }
        for row in connection.execute(statement)
    ]  # fmt: skip


def _group(connection: Connection, group_by: str) -> ColumnElement[Any]:
    if group_by == "day":
        return date_of(connection, completions.c.hour_ms)
    names = {"tenant": "tenant_id", "participant": "participant_id", "key": "key_id"}
    return completions.c[names.get(group_by, group_by)]
