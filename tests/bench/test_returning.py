"""The program that kills a hub and lets everybody come back, small."""

from __future__ import annotations

from hub.bench.opening import Crowd
from tests.bench.returning import line, measure, open_place


def test_everybody_comes_back_to_a_hub_that_knows_nobody() -> None:
    with open_place(postgres=False) as place:
        found = measure(place, Crowd(2, 3, missed=5), 1)
    assert [6] == [each.conns for each in found]
    assert line("sqlite", found).startswith("| sqlite | 6 | ")
