"""Two gateways on one PostgreSQL and one Valkey. Whoever publishes is connected to one, everybody
else to the other: what they get has crossed Valkey from one process to the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from hub.bench.fanout import Shape
from hub.bench.load import Counted
from hub.bench.process import Drive
from hub.process import CannotStart
from tests.bench.peers import Hub, Missing, Peer
from tests.support.cluster import Cluster, run_cluster
from tests.support.hub import HubProcess
from tests.support.redis import pid_of

TWO_GATEWAYS = "roomhub, two gateways"


class Pair:
    """One gateway is listened to, and has the admin's key; the other is spoken to."""

    name = TWO_GATEWAYS

    def __init__(self, heard: HubProcess, spoken_to: HubProcess, *pids: int) -> None:
        url = urlsplit(spoken_to.address)
        self._publishers_at = (str(url.hostname), int(url.port or 80))
        self._hub = Hub(self.name, heard, *pids)

    def measure(self, shape: Shape, drive: Drive) -> Counted:
        at = self._publishers_at
        return self._hub.measure(shape, lambda load: drive(replace(load, publishers_at=at)))


def _pids(cluster: Cluster) -> list[int]:
    """All that a delivery costs: Valkey, PostgreSQL and both gateways."""
    started = [cluster.postgres.process, *(hub.process for hub in cluster.gateways)]
    return [pid_of(cluster.env["HUB_REDIS_URL"]), *(each.pid for each in started if each)]


@contextlib.contextmanager
def open_pair(folder: Path) -> Iterator[Peer]:
    """`roomhub gateway`, twice. Raises Missing."""
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(run_cluster(folder))
        except CannotStart as error:
            raise Missing(str(error)) from error
        heard, spoken_to = cluster.gateways
        yield Pair(heard, spoken_to, *_pids(cluster))
