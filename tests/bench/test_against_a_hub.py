"""The benches against a real hub, small: what they tell is proved by the hub's own log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from hub.bench import fanout, post
from hub.bench import runs as running
from hub.bench.fanout import Shape
from hub.bench.post import Posting, Via
from hub.bench.process import BenchError, Drive, run_load
from hub.bench.stage import open_api, open_stage
from hub.gateway.volley import FEWEST
from tests.bench.processes import free_port
from tests.support.hub import HubProcess, run_hub

SMALL = Shape(rooms=2, members=3, window=2, secs=0.3, settle_s=0)


async def test_every_member_gets_what_its_room_is_sent(hub: HubProcess) -> None:
    """So many in a room that they are written to by one call."""
    async with open_api(hub.address, hub.key) as api:
        found = await fanout.run(api, replace(SMALL, members=2 * FEWEST))
    assert (4 * FEWEST, 0) == (found["conns"], found["uneven"])
    assert found["sent"] * 2 * FEWEST == found["delivered"] > 0


async def test_a_rate_is_kept(hub: HubProcess) -> None:
    async with open_api(hub.address, hub.key) as api:
        found = await fanout.run(api, replace(SMALL, rate=20, secs=0.5))
    assert 20 == pytest.approx(found["sent"], abs=2)


async def test_both_generators_tell_the_same(hub: HubProcess, quick: Drive) -> None:
    """And what each tells is in the log."""
    shape = replace(SMALL, rate=20, secs=0.5)
    async with open_api(hub.address, hub.key) as api, open_stage(api, SMALL.groups) as stage:
        runs = [await fanout.measure(api, stage, shape, drive=each) for each in (run_load, quick)]
    for _, counted in runs:
        assert 20 == pytest.approx(counted.sent, abs=2)
        assert (6, 0, 0) == (counted.conns, counted.uneven, counted.refused)
        assert counted.sent * 3 == counted.acked * 3 == counted.delivered


@pytest.mark.parametrize("via", ["ws", "rest"])
async def test_what_is_acknowledged_is_stored(hub: HubProcess, via: Via) -> None:
    async with open_api(hub.address, hub.key) as api:
        found = await post.run(api, Posting(3, 2, window=2, secs=0.3, via=via))
    assert found["sent"] == found["acknowledged"] == found["stored"] > 0


@pytest.mark.parametrize("via", ["ws", "rest"])
async def test_the_quick_generator_posts_as_well(hub: HubProcess, quick: Drive, via: Via) -> None:
    posting = Posting(3, 2, window=2, secs=0.3, via=via)
    async with open_api(hub.address, hub.key) as api, open_stage(api, posting.groups) as stage:
        counted = await post.measure(api, stage, posting, drive=quick)
    assert counted.sent == counted.acked > 0


async def test_there_is_no_figure_when_posts_are_refused(hub: HubProcess, drive: Drive) -> None:
    async with open_api(hub.address, hub.key) as api, open_stage(api, SMALL.groups) as stage:
        await api.call("DELETE", f"/v1/rooms/{stage.room_ids[0]}")
        with pytest.raises(BenchError, match=r"refused.*archived"):
            await fanout.measure(api, stage, SMALL, drive=drive)


async def test_one_mention_is_answered_before_the_next(tmp_path: Path) -> None:
    """Whoever else hears an answer does not stand for the next one's."""
    port, answers, gap_s = free_port(), 4, 0.2
    shape = running.Shape(2, subscribers=3, chunks=2, interval_s=gap_s, rounds=answers, port=port)
    with run_hub(tmp_path, env={"HUB_OUTBOUND_ALLOW": f"127.0.0.1:{port}"}) as hub:
        async with open_api(hub.address, hub.key) as api:
            found = await running.run(api, shape)
    assert found["pieces_seen"] == found["pieces_sent"] == 2 * 4 * answers * shape.chunks
    assert found["took_s"] >= answers * gap_s
    assert 0 < found["mention_to_bot_p50_ms"] <= found["mention_to_bot_p99_ms"]


async def test_a_key_that_is_not_good_is_an_error_that_says_so(hub: HubProcess) -> None:
    async with open_api(hub.address, "rhk_wrong_key") as api:
        with pytest.raises(BenchError, match="the key is not valid"):
            await fanout.run(api, SMALL)


async def test_nothing_is_left_behind(hub: HubProcess) -> None:
    async with open_api(hub.address, hub.key) as api:
        async with open_stage(api, SMALL.groups) as stage:
            pass
        people = [await api.call("GET", f"/v1/participants/{p}") for p in stage.participants]
        rooms = [await api.call("GET", f"/v1/rooms/{r}") for r in stage.room_ids]
    assert all(each["disabled_at"] for each in people)
    assert all(each["archived_at"] for each in rooms)
    async with httpx.AsyncClient(base_url=hub.address, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {stage.keys[0]}"}
        assert 401 == (await client.get("/v1/me", headers=headers)).status_code
