"""`hub.core.governor`: AI participants do not answer each other for ever."""

from __future__ import annotations

from hub.core.governor import DEPTH_CAP, held_back


def test_runs_up_to_the_cap_are_started() -> None:
    assert DEPTH_CAP == 6
    assert [held_back(depth) for depth in range(1, DEPTH_CAP + 1)] == [None] * DEPTH_CAP


def test_a_run_past_the_cap_says_why_it_is_not() -> None:
    assert held_back(DEPTH_CAP + 1) == "depth 7 is over the cap of 6"
