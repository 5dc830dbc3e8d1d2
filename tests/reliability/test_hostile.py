"""Small versions of the attacks of `hostile`: the hub closes them, and keeps its memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import attacks
from tests.reliability.attacks import Attack, Target, stream
from tests.reliability.hostile import fill, make_target
from tests.reliability.peers import open_peers
from tests.reliability.stopping import stop_among
from tests.support.hub import HubProcess, run_hub
from tests.support.process import forget_peak, peak_mb, rss_mb

GROWN_MB = 50.0
_END = b"\r\n0\r\n\r\n"  # of a body in chunks
ENV = {
    "HUB_LOG_LEVEL": "error", "HUB_HEAD_S": "0.5", "HUB_BODY_S": "0.5",
    "HUB_STALLED_S": "0.5", "HUB_PENDING_TOTAL_BYTES": "8000000",
}  # fmt: skip
SMALL: list[tuple[Attack, float]] = [
    (attacks.pings, 8),
    (attacks.one_byte_fragments, 2),
    (attacks.empty_fragments, 2),
    (attacks.commands, 4),
    (attacks.nonsense, 30),
    (attacks.bombs, 20),
    (attacks.large_head, 40),
    (attacks.many_lines, 20),
    (attacks.half_handshakes, 50),
    (attacks.half_bodies, 20),
    (attacks.replays, 20),
    (attacks.streams, 20),
    (attacks.pipelined, 2_000),
    (attacks.strange_rooms, 2_000),
    (attacks.churn, 300),
    (attacks.pages, 20),
]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with run_hub(tmp_path_factory.mktemp("hostile"), env=ENV) as started:
        yield started


@pytest.fixture(scope="module")
def target(hub: HubProcess) -> Target:
    return make_target(hub, 60, 30_000)


@pytest.mark.parametrize(
    ("attack", "size"), SMALL, ids=lambda value: getattr(value, "__name__", "")
)
def test_who_means_harm_is_closed_and_costs_little_memory(
    hub: HubProcess, target: Target, attack: Attack, size: float
) -> None:
    assert hub.process is not None
    before = rss_mb(hub.process.pid)
    forget_peak(hub.process.pid)
    done = attack(target, size)
    assert peak_mb(hub.process.pid) - before < GROWN_MB
    assert done.connections == done.closed
    with hub.client() as client:
        assert 200 == client.get("/v1/me").status_code


def test_streams_that_nobody_reads_count_with_all_that_waits(tmp_path: Path) -> None:
    """None of them is slow enough to be ended for itself: what waits in all is too much."""
    patient = {"HUB_HEAD_S": "60", "HUB_STALLED_S": "60"}  # the last one asks when all others have
    env = ENV | patient | {"HUB_PENDING_TOTAL_BYTES": "6000000"}
    with run_hub(tmp_path, env=env) as hub, open_peers(hub.address, 30) as peers:
        target = make_target(hub, 0, 0)
        for peer in peers:
            stream(peer, target)
            assert b"subscribed" in peer.read_until(b"subscribed")
        fill(hub, target, 30, 30_000)
        fill(hub, target, 1, 7)
        last = b'"content":"xxxxxxx"'
        ended = sum(last not in peer.read_until(_END, last) for peer in peers)
    assert 15 < ended < 30


@pytest.mark.slow
def test_a_hub_stops_soon_among_clients_that_stall(tmp_path: Path) -> None:
    with run_hub(tmp_path, env={"HUB_LOG_LEVEL": "error"}) as hub:
        ended = stop_among(hub, live=20, stalled=3)
    assert (0, 20) == (ended.status, ended.told)
    assert ended.seconds < 20
