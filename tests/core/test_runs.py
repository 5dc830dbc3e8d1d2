"""`hub.core.runs`: the life of a run, every state by every move."""

from __future__ import annotations

from itertools import product

import pytest

from hub.core.runs import ENDED, MOVES, OPEN, IllegalMove, move, sources_of

LEGAL = {
    ("queued", "running"), ("queued", "failed"), ("queued", "cancelled"),
    ("queued", "suppressed"),
    ("running", "running"), ("running", "waiting"), ("running", "queued"),
    ("running", "succeeded"), ("running", "silent"), ("running", "failed"),
    ("running", "cancelled"),
    ("waiting", "queued"), ("waiting", "running"), ("waiting", "succeeded"),
    ("waiting", "silent"), ("waiting", "failed"), ("waiting", "cancelled"),
}  # fmt: skip


@pytest.mark.parametrize(("state", "to"), list(product(MOVES, MOVES)))
def test_a_run_moves_only_as_the_table_says(state: str, to: str) -> None:
    if (state, to) in LEGAL:
        assert move(state, to) == to
    else:
        with pytest.raises(IllegalMove):
            move(state, to)


def test_an_ended_run_never_moves_again() -> None:
    assert ENDED == {"succeeded", "silent", "failed", "cancelled", "suppressed"}
    assert OPEN == {"queued", "running", "waiting"}
    assert not [1 for state in ENDED if MOVES[state]]


@pytest.mark.parametrize("to", MOVES)
def test_the_sources_of_a_state_are_where_the_table_leads_to_it(to: str) -> None:
    assert sources_of(to) == tuple(sorted(state for state, target in LEGAL if target == to))


def test_every_open_run_can_be_ended() -> None:
    assert all(MOVES[state] & ENDED for state in OPEN)
