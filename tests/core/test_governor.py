"""`hub.core.governor`: AI participants do not answer each other for ever, nor cost too much."""

from __future__ import annotations

import pytest

from hub.core.governor import Budget, Limits, Spent, budget_over, budget_warning, chain_over

LIMITS = Limits()


def test_runs_up_to_each_cap_are_started() -> None:
    assert (6, 12, 10) == (LIMITS.depth, LIMITS.replies, LIMITS.exchanges)
    assert chain_over(LIMITS, 6, 11, 9) is None


@pytest.mark.parametrize(
    ("chain", "word"),
    [((7, 0, 0), "depth 7"), ((1, 12, 0), "at most 12"), ((1, 0, 10), "10 times")],
)
def test_a_run_past_a_cap_says_why_it_is_not(chain: tuple[int, int, int], word: str) -> None:
    assert word in (chain_over(LIMITS, *chain) or "")


@pytest.mark.parametrize(
    ("budget", "spent", "said"),
    [
        (Budget(runs=2), Spent(runs=1), None),
        (Budget(runs=2), Spent(runs=2), "the room's budget of 2 runs a day is used up"),
        (Budget(tokens=10), Spent(tokens=11), "the room's budget of 10 tokens a day is used up"),
        (Budget(seconds=3), Spent(ms=2_999), None),
        (Budget(seconds=3), Spent(ms=3_000), "the room's budget of 3 seconds a day is used up"),
        (Budget(runs=0), Spent(), "the room's budget of 0 runs a day is used up"),
        (Budget(), Spent(10**9, 10**9, 10**9), None),
    ],
)
def test_a_budget_lets_runs_through_until_it_is_used_up(
    budget: Budget, spent: Spent, said: str | None
) -> None:
    assert said == budget_over("room", budget, spent)


def test_the_run_that_reaches_four_fifths_warns_and_no_other() -> None:
    budget = Budget(runs=10)
    warned = [budget_warning("tenant", budget, Spent(runs=n), Spent(runs=n + 1)) for n in range(10)]
    assert warned[7] == {
        "code": "BUDGET_NEARLY_SPENT",
        "message": "8 of the tenant's 10 runs for today are used",
        "budget": "tenant", "unit": "runs", "used": 8, "limit": 10,
    }  # fmt: skip
    assert 1 == len([word for word in warned if word])
