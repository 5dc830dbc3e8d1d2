"""The database stands still, and is shut down: every request is answered, none of them falsely, and
all goes on by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.reliability.away import AWAY_S, ENV, Manner, measure
from tests.support.cluster import run_cluster


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("manner", "away_s"), [("stand still", AWAY_S), ("shut down", 0.0)])
async def test_while_the_database_is_away_all_are_answered_and_all_goes_on_by_itself(
    manner: Manner, away_s: float, tmp_path: Path
) -> None:
    with run_cluster(tmp_path, 1, env=ENV) as cluster:
        outcome = await measure(cluster, manner, away_s)
    assert [] == outcome.faults()
