"""Two gateways on PostgreSQL under sixteen posters, one of them killed in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.posters import ENV
from tests.bench.posting import Shape, measure
from tests.support.cluster import run_cluster


@pytest.mark.slow
async def test_when_a_gateway_is_killed_under_load_nothing_is_lost_repeated_or_out_of_order(
    tmp_path: Path,
) -> None:
    with run_cluster(tmp_path, env=ENV) as cluster:
        outcome, faults = await measure(cluster, Shape(rooms=10, posts=2_000, kill=True))
        assert -9 == cluster.gateways[-1].process.poll()  # type: ignore[union-attr]
    assert [] == faults
    assert 2_000 == len(outcome.acks)
    assert {"REST", "WebSocket"} == set(outcome.via)
    assert 1 == outcome.resumed, "the subscriber of the killed gateway goes on at the other"
