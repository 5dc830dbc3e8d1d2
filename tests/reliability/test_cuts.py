"""Clients are cut at random under load on two gateways: nothing is missed, repeated or turned."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.cuts import ENV
from tests.reliability.cutting import CUTS, KINDS, Shape, cut
from tests.support.cluster import run_cluster
from tests.support.logs import Applied, Tally, compare


@pytest.mark.slow
async def test_whoever_is_cut_and_resumes_misses_nothing_and_gets_nothing_twice(
    tmp_path: Path,
) -> None:
    with run_cluster(tmp_path, env=ENV) as cluster:
        outcome = await cut(cluster, Shape(cuts=100, clients=10, rooms=3, per_s=60))
    assert [] == outcome.wrong
    assert Tally() == outcome.tally
    assert set(CUTS) == set(outcome.cuts)
    assert set(KINDS) == set(outcome.kinds)
    assert outcome.moved > 0


STORED = [(seq, f"msg_{seq}") for seq in range(1, 8)]


@pytest.mark.parametrize(
    ("seqs", "expected"),
    [
        ([3, 4, 5, 6, 7], Tally()),
        ([3, 4, 6, 7], Tally(missed=1)),
        ([3, 4, 5, 6], Tally(missed=1)),
        ([3, 4, 4, 5, 6, 7], Tally(twice=1)),
        ([3, 5, 4, 6, 7], Tally(disordered=1)),
        ([2, 3, 4, 5, 6, 7], Tally(disordered=1, foreign=1)),
        ([3, 4, 5, 6, 7, 8], Tally(foreign=1)),
        ([], Tally(missed=5)),
    ],
)
def test_every_way_to_differ_is_counted(seqs: list[int], expected: Tally) -> None:
    applied = Applied(2, [(seq, f"msg_{seq}") for seq in seqs])
    assert expected == compare(STORED, [applied])
