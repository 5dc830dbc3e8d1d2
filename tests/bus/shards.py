"""One cluster for the tests of a process; whoever breaks something mends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from hub.bus.redis import RedisBus, open_bus
from tests.support.shards import ShardCluster, run_shards


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShardCluster]:
    """Three masters; the first has a replica."""
    with run_shards(tmp_path_factory.mktemp("shards"), 3, 1) as cluster:
        yield cluster


@pytest.fixture
async def sharded(shards: ShardCluster, prefix: str) -> AsyncIterator[RedisBus]:
    """A bus that looks at the cluster once, and again only when something says that it changed."""
    async with open_bus(shards.url, prefix, "bus", look_s=3_600) as opened:
        yield opened
