"""Redis's master is killed under load: posts go on, nothing is missing, and runs are woken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.failing_over import (
    CHANGES,
    change_masters,
    open_house,
    run_sentinel_cluster,
)


@pytest.mark.slow
async def test_when_the_master_is_killed_posts_go_on_nothing_is_missing_and_runs_are_woken(
    tmp_path: Path,
) -> None:
    with run_sentinel_cluster(tmp_path) as (cluster, watched):
        async with open_house(cluster, 10) as house:
            outcome, state = await change_masters(cluster, house, watched, CHANGES["killed"])
            assert [] == outcome.faults()
            assert outcome.posts > 0
            assert "succeeded" == state
