"""What is taken away through one gateway is silent within a second on the other, Redis or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.bus_faults import open_house
from tests.reliability.silence import ENV, measure
from tests.support.cluster import run_cluster
from tests.support.redis import run_server


@pytest.mark.slow
async def test_what_is_taken_away_elsewhere_is_silent_within_a_second(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with run_server(tmp_path / "redis") as server, run_cluster(tmp_path, 0, env=ENV) as cluster:
        async with open_house(cluster, server, rooms=1) as house:
            revoked = await measure(house, "key revoked", redis=True)
            removed = await measure(house, "member removed", redis=False)
            archived = await measure(house, "room archived", redis=True)
    assert (0, 0, 0) == (revoked.late, removed.late, archived.late)
    assert 4410 == revoked.closed
    assert {"ROOM_NOT_FOUND"} == removed.answers
    assert {"ROOM_ARCHIVED"} == archived.answers
