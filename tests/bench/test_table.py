"""The table of a comparison."""

from __future__ import annotations

from dataclasses import replace

from tests.bench.table import HEAD, Run, markdown
from tests.bench.test_load import COUNTED


def runs(peer: str, *in_time: int) -> list[Run]:
    return [Run("2x3", peer, replace(COUNTED, in_time=count)) for count in in_time]


def test_a_line_has_medians_and_their_ratio_to_the_base() -> None:
    found = markdown([*runs("base", 20), *runs("hub", 10, 90, 30)], "base").splitlines()[-1]
    assert "| 2x3 | hub | 15 | 1.50 | 1.0 | 3.0 | 0.00 | 50% | 3/3 |" == found


def test_without_the_base_there_is_no_ratio() -> None:
    assert "| 2x3 | hub | 5 | – | 1.0 | 3.0 | 0.00 | 50% | 1/1 |" in markdown(
        runs("hub", 10), "base"
    )


def test_a_server_without_a_figure_says_why() -> None:
    found = markdown([Run("2x3", "hub", None, "it fell over")], "base")
    assert f"{HEAD}\n| 2x3 | hub | none: it fell over | | | | | | 0/1 |" == found


def test_a_figure_that_the_generator_held_back_is_a_bound() -> None:
    busy = [Run("2x3", "base", replace(COUNTED, in_time=20, busy=0.9))]
    base, hub = markdown([*busy, *runs("hub", 30)], "base").splitlines()[-2:]
    assert "| ≥ 10 | 1.00 |" in base
    assert "| 15 | ≤ 1.50 |" in hub
