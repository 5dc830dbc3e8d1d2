"""`hub.gateway.closes`: what clients read in the reasons."""

from __future__ import annotations

import json

import pytest

from hub.client.reconnect import Resume, on_close
from hub.gateway.closes import LATER, REASON_BYTES, RESTARTING, TOO_MUCH, retry, spread


@pytest.mark.parametrize(("clients", "retry_s"), [(0, 2), (1_000, 2), (1_001, 3), (20_000, 40)])
def test_the_more_clients_the_longer_they_spread_out(clients: int, retry_s: int) -> None:
    assert {"retry_s": retry_s} == json.loads(spread(clients))
    assert Resume(spread_s=retry_s) == on_close(RESTARTING, spread(clients))


def test_our_own_client_understands_when_to_come_later() -> None:
    assert Resume(least_s=5) == on_close(TOO_MUCH, LATER)
    assert {"retry_s": 0.25} == json.loads(retry(0.25))
    assert len(retry(1e9)) <= REASON_BYTES
