"""`hub.store.completions`: sums of what was used, and budgets that hold."""

from __future__ import annotations

import asyncio

import pytest

from hub.core.governor import Budget
from hub.core.usage import HOUR_MS, Consumed, Consumer
from hub.store.store import SqlStore
from tests.support.parts import ACME, RIVAL

HOUR = 1_800_000_000_000 // HOUR_MS * HOUR_MS
ALICE = Consumer(ACME, HOUR, "key_1", "user_alice", "big")
ONCE = Consumed(1, 10, 5, 0.25, 1_500)


async def test_what_was_used_adds_up_by_whatever_is_asked(store: SqlStore) -> None:
    bob = ALICE._replace(key_id="key_2", participant_id="user_bob", model="small")
    await store.completions.add({ALICE: ONCE, bob: ONCE})
    await store.completions.add({ALICE: ONCE, ALICE._replace(tenant_id=RIVAL): ONCE})
    for group_by, expected in (
        ("tenant", {ACME: 3}), ("key", {"key_1": 2, "key_2": 1}),
        ("participant", {"user_alice": 2, "user_bob": 1}), ("model", {"big": 2, "small": 1}),
        ("day", {"2027-01-15": 3}),
    ):  # fmt: skip
        rows = await store.completions.usage(ACME, group_by, 0)
        assert expected == {row["key"]: row["completions"] for row in rows}
    (whole,) = await store.completions.usage(ACME, "tenant", 0)
    assert (30, 15, 4.5) == (
        whole["prompt_tokens"], whole["completion_tokens"], whole["seconds"],
    )  # fmt: skip
    assert pytest.approx(0.75) == whole["cost"]


async def test_a_time_counts_from_its_hour(store: SqlStore) -> None:
    await store.completions.add({ALICE: ONCE})
    assert 1 == len(await store.completions.usage(ACME, "key", HOUR + HOUR_MS - 1))
    assert [] == await store.completions.usage(ACME, "key", HOUR + HOUR_MS)


async def test_of_those_that_come_together_no_more_are_let_in_than_the_budget_has(
    store: SqlStore,
) -> None:
    budget = Budget(runs=3)
    found = await asyncio.gather(
        *(store.completions.admit(ACME, HOUR, budget) for _ in range(8))
    )  # fmt: skip
    assert 3 == found.count(None)
    assert {None, "the tenant's budget of 3 runs a day is used up"} == set(found)
    assert await store.completions.admit(RIVAL, HOUR, budget) is None
    assert await store.completions.admit(ACME, HOUR + 24 * HOUR_MS, budget) is None


@pytest.mark.parametrize("budget", [Budget(tokens=15), Budget(seconds=1)])
async def test_tokens_and_seconds_that_were_used_count_against_the_budget(
    store: SqlStore, budget: Budget
) -> None:
    assert await store.completions.admit(ACME, HOUR, budget) is None
    await store.completions.add({ALICE: ONCE})
    assert await store.completions.admit(ACME, HOUR, budget) is not None
