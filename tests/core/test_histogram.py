"""`hub.core.histogram`: values by upper bound."""

from __future__ import annotations

from math import inf

from hub.core.histogram import Histogram


def test_a_bound_belongs_to_the_values_below_it() -> None:
    histogram = Histogram((0.1, 1))
    for value in (0.05, 0.1, 0.5, 1, 1.5, 100):
        histogram.observe(value)
    assert [(0.1, 2), (1, 4), (inf, 6)] == histogram.buckets
    assert 103.15 == histogram.sum


def test_of_nothing_there_are_all_bounds() -> None:
    assert [(1, 0), (2, 0), (inf, 0)] == Histogram((1, 2)).buckets
