"""Both load generators by the same rules: what they count is what happened, and a server that does
not do right by everybody is told of."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.bench.check import stream_faults
from hub.bench.load import Counted, Load
from hub.bench.marks import DIGITS, MARK
from hub.bench.process import BenchError, Drive, faults_of
from tests.bench.fan import READY, Deal, Fan, open_fan
from tests.bench.processes import free_port
from tests.bench.quick import NoCompiler, open_quick

MEMBERS = 3
SMALL = Load(
    "127.0.0.1", 0, "{payload}", path="/{room}/{conn}", rooms=2, members=MEMBERS, window=2,
    size=60, secs=0.1, settle_s=0, quiet_s=0.3, ready=READY.decode(),
)  # fmt: skip


async def count(drive: Drive, fan: Fan, load: Load = SMALL) -> Counted:
    async with open_fan(fan):
        return await asyncio.to_thread(drive, replace(load, port=fan.ports[0]))


def to_one(conn: int, number: int, dealt: Callable[[bytes], list[bytes]]) -> Deal:
    """Fair, but for one message to one connection."""
    return lambda c, n, body: dealt(body) if (c, n) == (conn, number) else [body]


async def test_what_is_counted_is_what_was_sent(drive: Drive) -> None:
    fan = Fan()
    counted = await count(drive, fan)
    said = [len(fan.seats[conn].said) for conn in (0, MEMBERS)]
    assert [] == faults_of(SMALL, counted)
    assert (tuple(said), sum(said) * MEMBERS) == (counted.sent_by_room, counted.delivered)
    assert (6, 0, 0) == (counted.conns, counted.failed, counted.lost)
    assert 0 < counted.in_time <= counted.delivered
    assert 0 < counted.p50_ms <= counted.p95_ms <= counted.p99_ms


async def test_nothing_is_missed_or_counted_twice_where_a_read_ends(drive: Drive) -> None:
    load = replace(SMALL, rooms=1, window=1, acked=MARK.decode())
    counted = await count(drive, Fan(piece=5), load)
    assert [] == faults_of(load, counted)
    assert counted.sent == counted.acked > 0


async def test_the_first_words_may_come_with_the_answer_to_the_handshake(drive: Drive) -> None:
    assert [] == faults_of(SMALL, await count(drive, Fan(early=True)))


async def test_a_window_is_never_exceeded(drive: Drive) -> None:
    """Those who publish hear nothing, so no message makes room for another."""
    counted = await count(drive, Fan(lambda conn, number, body: [body] if conn % MEMBERS else []))
    assert (SMALL.window,) * 2 == counted.sent_by_room


async def test_a_rate_is_kept_whatever_is_heard(drive: Drive) -> None:
    load = replace(SMALL, rate=50, secs=0.2)
    counted = await count(drive, Fan(lambda conn, number, body: []), load)
    assert 20 == pytest.approx(counted.sent, abs=4)
    assert 0 == counted.delivered


# Faults.


async def test_a_loss_is_told(drive: Drive) -> None:
    counted = await count(drive, Fan(to_one(4, 2, lambda body: [])))
    assert (counted.sent * MEMBERS - 1, 1) == (counted.delivered, counted.uneven)
    assert 2 == len(faults_of(SMALL, counted))


async def test_a_double_is_told(drive: Drive) -> None:
    counted = await count(drive, Fan(to_one(4, 2, lambda body: [body, body])))
    assert counted.uneven
    assert faults_of(SMALL, counted)


async def test_a_loss_and_a_double_do_not_hide_each_other(drive: Drive) -> None:
    lost, double = to_one(1, 2, lambda body: []), to_one(2, 2, lambda body: [body, body])
    fan = Fan(lambda conn, number, body: (double if conn == 2 else lost)(conn, number, body))
    counted = await count(drive, fan)
    assert (counted.sent * MEMBERS, 2) == (counted.delivered, counted.uneven)


async def test_posts_that_are_not_acknowledged_are_told(drive: Drive) -> None:
    def deal(conn: int, number: int, body: bytes) -> list[bytes]:
        return [body, b"ok"] if conn % MEMBERS == 0 and number != 2 else [body]

    load = replace(SMALL, acked="ok")
    counted = await count(drive, Fan(deal), load)
    assert counted.sent - 2 == counted.acked
    assert [f"{counted.acked} of {counted.sent} messages were acknowledged"] == faults_of(
        load, counted
    )


async def test_a_refusal_ends_it_in_the_servers_words(drive: Drive) -> None:
    deal = to_one(0, 2, lambda body: [b'refused: "no more", {}'])
    load = replace(SMALL, refused="refused", secs=30)
    counted = await asyncio.wait_for(count(drive, Fan(deal), load), 20)
    assert (1, True) == (counted.refused, counted.why.startswith('refused: "no more", {}'))


async def test_a_connection_that_is_closed_is_told(drive: Drive) -> None:
    fan = Fan()

    def deal(conn: int, number: int, body: bytes) -> list[bytes]:
        if (conn, number) == (4, 2):
            fan.seats[conn].writer.close()
        return [] if conn == 4 else [body]

    fan.deal = deal
    counted = await count(drive, fan)
    assert (1, True) == (counted.lost, counted.why.startswith("the server closed"))


async def test_a_server_that_is_not_there_is_told(drive: Drive) -> None:
    counted = await asyncio.to_thread(drive, replace(SMALL, port=free_port()))
    assert (0, 6) == (counted.conns, counted.failed)
    assert counted.why


async def test_a_handshake_that_is_refused_is_told(drive: Drive) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        counted = await asyncio.to_thread(drive, replace(SMALL, port=port))
    assert (6, "HTTP/1.1 401 Unauthorized") == (counted.failed, counted.why)


# Samples.


async def test_a_sample_is_all_that_came_and_nothing_else(drive: Drive, tmp_path: Path) -> None:
    fan = Fan(piece=50)
    load = replace(SMALL, keep=(0, 4), keep_dir=str(tmp_path))
    await count(drive, fan, load)
    for conn in load.keep:
        assert fan.seats[conn].sent == (tmp_path / str(conn)).read_bytes()
    assert not (tmp_path / "1").exists()


async def test_disorder_is_told_by_a_sample(drive: Drive, tmp_path: Path) -> None:
    """As of a hub whose members all get everything."""
    log: list[dict[str, Any]] = []
    held: list[bytes] = []

    def deal(conn: int, number: int, body: bytes) -> list[bytes]:
        event = {"room_id": "room", "seq": number, "data": body.decode()}
        if conn == 0:
            log.append(event)
        if (conn, number) == (1, 2):
            held.append(json.dumps(event).encode())
            return []
        return [json.dumps(event).encode(), *(held.pop() for _ in held[:] if conn == 1)]

    load = replace(SMALL, rooms=1, keep=(1, 2), keep_dir=str(tmp_path))
    counted = await count(drive, Fan(deal, early=True), load)
    samples = [(tmp_path / str(conn)).read_bytes()[len(READY) + 2 :] for conn in load.keep]
    faults = [stream_faults("room", sample, log) for sample in samples]
    assert ([], [1, 0]) == (faults_of(load, counted), list(map(len, faults)))


# Figures.


async def test_percentiles_are_of_all_members(drive: Drive) -> None:
    """The stamps that come are older than they were by 10 s, for one in ten members by 50."""

    def deal(conn: int, number: int, body: bytes) -> list[bytes]:
        at = body.index(MARK) + len(MARK)
        stamp = int(body[at : at + DIGITS]) - (50 if conn == 7 else 10) * 10**9
        return [b"%s%0*d%s" % (body[:at], DIGITS, stamp, body[at + DIGITS :])]

    counted = await count(drive, Fan(deal), replace(SMALL, rooms=1, members=10))
    assert [10_000, 50_000, 50_000] == pytest.approx(
        [counted.p50_ms, counted.p95_ms, counted.p99_ms], rel=0.1
    )


async def test_the_servers_computing_time_is_read(drive: Drive) -> None:
    before = os.times()
    counted = await count(drive, Fan(), replace(SMALL, pids=(os.getpid(),)))
    after = os.times()
    spent = after.user + after.system - before.user - before.system
    assert 0 < counted.cpu_s <= spent + 0.02
    assert 0 < counted.busy <= 1.5


# Two addresses.


async def test_publishers_may_be_elsewhere(drive: Drive) -> None:
    fan = Fan()
    async with open_fan(fan, ports=2):
        here, there = fan.ports
        load = replace(SMALL, port=here, publishers_at=("127.0.0.1", there))
        counted = await asyncio.to_thread(drive, load)
    assert [] == faults_of(load, counted)
    assert [there, here, here] * 2 == [fan.seats[conn].port for conn in range(6)]
    assert all(bool(seat.said[1:]) == (conn % MEMBERS == 0) for conn, seat in fan.seats.items())


async def test_a_message_is_in_flight_until_the_first_elsewhere_has_it(drive: Drive) -> None:
    fan = Fan(lambda conn, number, body: [] if conn % MEMBERS == 1 else [body])
    async with open_fan(fan, ports=2):
        at = ("127.0.0.1", fan.ports[1])
        load = replace(SMALL, port=fan.ports[0], publishers_at=at)
        counted = await asyncio.to_thread(drive, load)
    assert (SMALL.window,) * 2 == counted.sent_by_room


# How the quick one is had.


def test_without_a_compiler_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoCompiler, match="no C compiler"), open_quick():
        pass


def test_what_a_compiler_has_against_it_is_said(quick: Drive) -> None:
    with pytest.raises(NoCompiler, match="cannot build it"), open_quick("--no-such-option"):
        pass


def test_a_load_that_cannot_be_put_on_is_an_error(quick: Drive, tmp_path: Path) -> None:
    load = replace(SMALL, port=free_port(), keep=(0,), keep_dir=str(tmp_path / "none"))
    with pytest.raises(BenchError, match="No such file or directory"):
        quick(load)
