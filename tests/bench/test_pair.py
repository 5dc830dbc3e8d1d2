"""Two gateways as one peer; here both are one hub, under two names."""

from __future__ import annotations

from dataclasses import replace

from hub.bench.fanout import Shape
from hub.bench.load import Counted, Load
from hub.bench.process import run_load
from tests.bench.pair import Pair
from tests.support.hub import HubProcess


def test_who_publishes_is_connected_to_one_and_all_others_to_the_other(hub: HubProcess) -> None:
    loads: list[Load] = []

    def drive(load: Load) -> Counted:
        loads.append(load)
        return run_load(load)

    spoken_to = replace(hub, address=hub.address.replace("127.0.0.1", "localhost"))
    counted = Pair(hub, spoken_to).measure(Shape(2, 3, window=2, secs=0.3, settle_s=0), drive)
    hosts = [loads[0].address(conn)[0] for conn in range(6)]
    assert ["localhost", "127.0.0.1", "127.0.0.1"] * 2 == hosts
    assert (counted.sent * 3, 0) == (counted.delivered, counted.uneven)
