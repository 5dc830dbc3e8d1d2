"""Clients that come, stay and come back, against a real hub."""

from __future__ import annotations

import asyncio

import pytest

from hub.bench.cpu import family
from hub.bench.load import Load
from hub.bench.opening import Crowd, connect, open_all, resume
from hub.bench.process import BenchError, Drive
from hub.bench.stage import open_api
from tests.support.hub import HubProcess


async def test_everybody_is_let_in_and_weighed(hub: HubProcess) -> None:
    assert hub.process is not None
    async with open_api(hub.address, hub.key) as api:
        found = await connect(api, Crowd(2, 3, hold_s=0.1), family(hub.process.pid))
    assert ("idle", 6) == (found["bench"], found["conns"])
    assert {"cpu_us_per_conn", "bytes_per_conn"} <= found.keys()


async def test_a_hub_elsewhere_is_not_weighed(hub: HubProcess) -> None:
    async with open_api(hub.address, hub.key) as api:
        found = await connect(api, Crowd(1, 2))
    assert "connect" == found["bench"]
    assert "bytes_per_conn" not in found


async def test_everybody_gets_what_was_missed(hub: HubProcess) -> None:
    async with open_api(hub.address, hub.key) as api:
        found = await resume(api, Crowd(2, 3, missed=5))
    assert (6, 5) == (found["conns"], found["missed"])


async def test_who_is_refused_is_not_waited_for(hub: HubProcess, drive: Drive) -> None:
    """Nor is there a figure, but the hub's own words."""
    async with open_api(hub.address, hub.key) as api:
        load = Load(
            api.host, api.port, "", path="/v1/ws", headers=(f"Authorization: Bearer {hub.key}",),
            pre=('{"id":1,"type":"subscribe","room_id":"room_none"}',), ready='"recovered":',
            refused='"ok":false',
        )  # fmt: skip
        with pytest.raises(BenchError, match="ROOM_NOT_FOUND"):
            await asyncio.wait_for(open_all(load, drive), 30)


async def test_more_than_is_replayed_cannot_be_missed(hub: HubProcess) -> None:
    async with open_api(hub.address, hub.key) as api:
        with pytest.raises(BenchError, match="900"):
            await resume(api, Crowd(1, 1, missed=901))
