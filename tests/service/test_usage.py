"""`hub.service.usage`: completions are counted without waiting, and reported with the runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hub.core.chat import Usage as Tokens
from hub.core.errors import Denied, Limited, Unavailable
from hub.core.governor import Budget
from hub.core.usage import Consumed, Consumer
from hub.parts import Parts
from hub.service.usage import DAY_MS, Usage
from hub.store.completions import SqlCompletions
from hub.store.store import SqlStore
from tests.support.parts import ADMIN, ALICE, AT_MS, BOB, RIVAL, Ticker

TOKENS = Tokens(10, 5, cost=0.5)


def usage_on(store: SqlStore, budget: Budget | None = None, at_ms: int = AT_MS) -> Usage:
    return Usage(store, budget or Budget(), Ticker(at_ms))


async def test_what_is_counted_is_in_the_report(parts: Parts) -> None:
    usage = usage_on(parts.store)
    for actor in (ALICE, ALICE, BOB):
        usage.count(actor, "big", TOKENS, 100)
    rows = await usage.report(ADMIN, "participant", 0)
    expected = [("user_alice", 2, 20, 10, 1.0), ("user_bob", 1, 10, 5, 0.5)]
    fields = ("key", "completions", "prompt_tokens", "completion_tokens", "cost")
    assert expected == [tuple(row[name] for name in fields) for row in rows]
    assert [] == await usage.report(replace(ADMIN, tenant_id=RIVAL), "tenant", 0)
    assert [] == await usage.report(ADMIN, "room", 0)


async def test_the_report_is_for_admins(parts: Parts) -> None:
    with pytest.raises(Denied):
        await parts.usage.report(ALICE, "tenant", 0)


async def test_without_a_budget_nothing_is_asked_of_the_database(parts: Parts) -> None:
    usage = usage_on(parts.store)
    for _ in range(3):
        await usage.admit(ALICE)
    rows = await parts.store.database.read(
        lambda c: c.exec_driver_sql("SELECT * FROM budgets").fetchall()
    )
    assert [] == rows


async def test_a_budget_that_is_used_up_says_until_when(parts: Parts) -> None:
    at_ms = AT_MS // DAY_MS * DAY_MS + DAY_MS - 60_000
    usage = usage_on(parts.store, Budget(tokens=15), at_ms)
    await usage.admit(ALICE)
    usage.count(ALICE, "big", TOKENS, 100)
    await usage.flush()
    with pytest.raises(Limited) as caught:
        await usage.admit(BOB)
    assert ("BUDGET_EXCEEDED", 60) == (caught.value.code, caught.value.retry_after)


@pytest.mark.parametrize("fault", [Unavailable("away"), ValueError("a value nobody expected")])
async def test_what_could_not_be_stored_is_kept_whatever_happened(
    parts: Parts, fault: Exception
) -> None:
    class Away(SqlCompletions):
        away = True

        async def add(self, used: Mapping[Consumer, Consumed]) -> None:
            if self.away:
                raise fault
            await super().add(used)

    completions = Away(parts.store.database)
    store = SqlStore(parts.store.database, parts.store.posts)
    store.completions = completions
    usage = usage_on(store)
    usage.count(ALICE, "big", TOKENS, 100)
    await usage.flush()
    usage.count(ALICE, "big", TOKENS, 100)
    completions.away = False
    (row,) = await usage.report(ADMIN, "key", 0)
    assert 2 == row["completions"]
