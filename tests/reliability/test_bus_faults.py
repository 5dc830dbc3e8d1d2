"""Redis fails under load: posts go on, and within seconds every client has everything once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.bus_faults import (
    ENV,
    House,
    black_hole,
    cut_for_a_moment,
    killed,
    measure,
    open_house,
    paused_subscriber,
)
from tests.support.cluster import run_cluster
from tests.support.redis import run_server


async def _hole(house: House) -> None:
    await black_hole(house, 4)


@pytest.mark.slow
async def test_when_redis_fails_posts_go_on_and_nothing_is_missing_after_seconds(
    tmp_path: Path,
) -> None:
    (tmp_path / "broken").mkdir()
    with run_server(tmp_path / "broken") as server, run_cluster(tmp_path, 0, env=ENV) as cluster:
        async with open_house(cluster, server, rooms=10) as house:
            for fault in (killed, cut_for_a_moment, paused_subscriber, _hole):
                outcome = await measure(house, fault)
                assert [] == outcome.faults(), fault.__name__
                assert outcome.posts > 0
