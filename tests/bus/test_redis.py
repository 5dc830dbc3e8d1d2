"""`hub.bus.redis`: drafts that only grow, tickets that work once, runs that wake somebody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from hub.bus.names import Names
from hub.bus.redis import DRAFT_TTL_S, RedisBus, open_bus
from hub.core.errors import Unavailable
from hub.core.values import Draft
from hub.wire.frames import frame
from hub.wire.packets import Packet
from tests.support.redis import run_server

from .heard import Heard, packet

ABOUT = Draft("run_1", "msg_1", "msg_0", {"type": "persona", "id": "persona_e"}, 1, "")
PATIENCE_S = 10.0
FRAMES = frame(b'{"delta":1}')


async def grow(bus: RedisBus, text: str, fresh: str, attempt: int = 1) -> bool:
    draft = replace(ABOUT, attempt=attempt, text=text)
    return await bus.append_draft("room_1", draft, fresh, FRAMES)


async def test_a_draft_grows_piece_by_piece(bus: RedisBus) -> None:
    text = ""
    for piece in ("Hä", "llo ", "👍🏽", " end"):
        text += piece
        assert await grow(bus, text, piece)
        (draft,) = await bus.drafts("room_1", ["run_1"])
        assert draft == replace(ABOUT, text=text)
    assert draft.as_dict()["offset"] == len("Hällo 👍🏽 end")


async def test_what_is_appended_is_published(bus: RedisBus) -> None:
    heard = Heard()
    async with bus.listen(heard) as listener:
        await listener.subscribe("room_1")
        await grow(bus, "a", "a")
        assert await heard.count(1) == [("room_1", Packet(0, 1, FRAMES))]


async def test_a_lower_attempt_is_refused_and_not_heard(bus: RedisBus) -> None:
    heard = Heard()
    async with bus.listen(heard) as listener:
        await listener.subscribe("room_1")
        assert await grow(bus, "second", "second", attempt=2)
        assert not await grow(bus, "first and late", " and late", attempt=1)
        await bus.publish([("room_1", packet(1))], ())
        assert [p for _, p in await heard.count(2)] == [Packet(0, 1, FRAMES), packet(1)]
    (draft,) = await bus.drafts("room_1", ["run_1"])
    assert (draft.attempt, draft.text) == (2, "second")


async def test_a_higher_attempt_begins_the_draft_anew(bus: RedisBus) -> None:
    await grow(bus, "from the first attempt", "from the first attempt", attempt=1)
    assert await grow(bus, "new", "new", attempt=2)
    (draft,) = await bus.drafts("room_1", ["run_1"])
    assert (draft.attempt, draft.text) == (2, "new")


async def test_a_draft_of_which_a_piece_was_lost_is_whole_again(bus: RedisBus) -> None:
    await grow(bus, "one", "one")
    assert await grow(bus, "one two three", " three")
    (draft,) = await bus.drafts("room_1", ["run_1"])
    assert draft.text == "one two three"


async def test_a_long_draft_costs_no_more_than_what_is_new(bus: RedisBus, valkey: str) -> None:
    """Otherwise streaming a reply is quadratic in its length."""
    async with Redis.from_url(valkey) as client:

        async def received() -> int:
            about = await client.info("stats")
            return int(about["total_net_input_bytes"])

        text = "x" * 100_000
        await grow(bus, text, text)
        before = await received()
        for _ in range(50):
            text += "more"
            assert await grow(bus, text, "more")
        assert await received() - before < 100_000
    (draft,) = await bus.drafts("room_1", ["run_1"])
    assert draft.text == text


async def test_a_draft_that_redis_forgot_is_whole_again(bus: RedisBus) -> None:
    await grow(bus, "one", "one")
    await bus.publish((), over=[("room_1", "run_1"), ("room_2", "run_2")])
    assert await bus.drafts("room_1", ["run_1"]) == []
    await grow(bus, "one two", " two")
    (draft,) = await bus.drafts("room_1", ["run_1"])
    assert draft.text == "one two"


async def test_drafts_are_told_for_the_runs_that_have_one(bus: RedisBus) -> None:
    await grow(bus, "a", "a")
    found = await bus.drafts("room_1", ["run_none", "run_1", "run_2"])
    assert [draft.run_id for draft in found] == ["run_1"]
    assert await bus.drafts("room_1", []) == []


async def test_a_draft_that_nobody_ends_does_not_stay(
    valkey: str, prefix: str, bus: RedisBus
) -> None:
    await grow(bus, "a", "a")
    names = Names(prefix)
    async with Redis.from_url(valkey) as raw:
        for key in (names.draft("room_1", "run_1"), names.draft_text("room_1", "run_1")):
            assert 0 < await raw.ttl(key) <= DRAFT_TTL_S


async def test_a_ticket_works_once(bus: RedisBus) -> None:
    await bus.put_ticket("digest", b"value", 30)
    taken = await asyncio.gather(*(bus.take_ticket("digest") for _ in range(8)))
    assert sorted(taken, key=bool) == [None] * 7 + [b"value"]
    assert await bus.take_ticket("other") is None


async def test_a_ticket_has_its_time(valkey: str, prefix: str, bus: RedisBus) -> None:
    await bus.put_ticket("digest", b"value", 30)
    async with Redis.from_url(valkey) as raw:
        assert 0 < await raw.ttl(Names(prefix).ticket("digest")) <= 30


async def test_a_ticket_that_was_put_once_is_not_put_again(bus: RedisBus) -> None:
    assert b"first" == await bus.put_ticket_once("digest", b"first", 30, 60)
    assert b"first" == await bus.put_ticket_once("digest", b"second", 30, 60)
    assert b"first" == await bus.take_ticket("digest")
    assert b"first" == await bus.put_ticket_once("digest", b"third", 30, 60)
    assert await bus.take_ticket("digest") is None
    assert b"other" == await bus.put_ticket_once("other", b"other", 30, 60)


async def test_a_run_wakes_one_worker(bus: RedisBus) -> None:
    await bus.woken("w1", 10, 0.01)  # the first call makes the group
    await bus.publish((), [f"run_{n}" for n in range(20)])
    one = await bus.woken("w1", 5, 1)
    other = await bus.woken("w2", 50, 1)
    assert one == [f"run_{n}" for n in range(5)]
    assert other == [f"run_{n}" for n in range(5, 20)]
    assert await bus.woken("w1", 5, 0.01) == []


async def test_a_waiting_worker_is_woken_at_once(bus: RedisBus) -> None:
    await bus.woken("w", 1, 0.01)
    waiting = asyncio.create_task(bus.woken("w", 1, 9))
    await bus.publish((), ["run_1"])
    async with asyncio.timeout(5):
        assert await waiting == ["run_1"]


async def test_runs_woken_before_any_worker_came_are_not_lost(bus: RedisBus) -> None:
    await bus.publish((), ["run_1"])
    assert await bus.woken("w", 10, 0.01) == []
    assert await bus.woken("w", 10, 1) == ["run_1"]


async def test_a_run_to_be_cut_short_is_told_to_every_worker(bus: RedisBus) -> None:
    told: list[list[str]] = [[], []]
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        watching = [group.create_task(bus.watch_cuts(each.append)) for each in told]
        while not all(told):  # nothing says that they watch
            await bus.publish((), (), ["run_1"])
            await asyncio.sleep(0.01)
        for task in watching:
            task.cancel()
    assert [{"run_1"}] * 2 == [set(each) for each in told]


async def test_the_stream_does_not_grow_with_what_was_taken(
    valkey: str, prefix: str, bus: RedisBus
) -> None:
    await bus.woken("w", 1, 0.01)
    await bus.publish((), [f"run_{n}" for n in range(30)])
    await bus.woken("w", 100, 1)
    async with Redis.from_url(valkey) as raw:
        assert await raw.xlen(Names(prefix).runs) == 0


async def test_a_server_that_was_flushed_wakes_workers_again(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        async with open_bus(server.url, "hub", "a") as bus:
            await bus.woken("w", 1, 0.01)
            server.flush()
            assert await bus.woken("w", 1, 0.01) == []
            await bus.publish((), ["run_1"])
            assert await bus.woken("w", 1, 1) == ["run_1"]


async def test_without_a_server_every_command_is_unavailable_at_once(tmp_path: Path) -> None:
    async with open_bus(f"unix://{tmp_path}/none.sock", "hub", "a") as bus, asyncio.timeout(1):
        for command in (
            bus.publish([("room_1", packet(1))], ["run_1"]),
            bus.ping(),
            bus.drafts("room_1", ["run_1"]),
            bus.take_ticket("t"),
            bus.woken("w", 1, 2),
            grow(bus, "a", "a"),
        ):
            with pytest.raises(Unavailable) as caught:
                await command
            assert caught.value.code == "BUS_UNAVAILABLE"


async def test_after_the_server_came_back_commands_work_again(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        async with open_bus(server.url, "hub", "a") as bus:
            await bus.ping()
            server.stop()
            with pytest.raises(Unavailable):
                await bus.ping()
            server.start()
            await bus.ping()


async def test_wake_ups_that_are_refused_are_told_once_and_once_that_they_are_not(
    bus: RedisBus, valkey: str, prefix: str
) -> None:
    """What goes to rooms is not concerned."""
    runs = Names(prefix).runs
    async with Redis.from_url(valkey) as raw:
        await raw.set(runs, "no stream")
        with capture_logs() as told:
            for seq in (1, 2):
                assert not await bus.publish([("room_1", packet(seq))], ["run_1"])
            assert ["warning"] == [each["log_level"] for each in told]
            assert "WRONGTYPE" in told[0]["reason"]
            await raw.delete(runs)
            for seq in (3, 4):
                await bus.publish([("room_1", packet(seq))], ["run_1"])
        assert ["warning", "info"] == [each["log_level"] for each in told]
