"""`hub.gateway.protocol` against peers that stall, flood and linger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from hub.core.limits import Bucket
from hub.gateway.bounds import Bounds
from hub.gateway.pressure import Pressure
from hub.gateway.protocol import FRAGMENTS, LATE_BYTES, HubSocket
from hub.wire.frames import bodies, frame
from tests.e2e.raw import CLOSE, PING, masked_frame
from tests.support.redis import until

from .serving import Served, read_to_end, sent, serving, upgraded

QUICK = Bounds(drain_s=1, close_s=0.2)
STALLED = 4_096  # what a peer lets the kernel take for it
BIG = frame(b"x" * 65_536)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(QUICK) as opened:
        yield opened


async def test_a_peer_that_does_not_answer_a_close_is_cut(served: Served) -> None:
    peer, sink = await upgraded(served)
    with contextlib.closing(peer):
        sink.socket.close_with(4408, "slow")
        await until(lambda: not served.state.connections)
        assert frame(b"\x11\x38slow", 0x8) == await read_to_end(peer)


async def test_a_peer_that_stalls_is_cut_though_much_waits_for_it(served: Served) -> None:
    """A transport that is closed in peace waits for ever for the last byte to be taken."""
    peer, sink = await upgraded(served, receive_bytes=STALLED)
    with contextlib.closing(peer):
        while sink.socket.pending_bytes < 1_000_000:
            sink.socket.write(BIG)
        sink.socket.close_with(4408, "slow")
        await until(lambda: not served.state.connections)
    assert 0 == served.state.pressure.total


async def test_a_peer_that_says_goodbye_and_reads_nothing_is_cut_too(served: Served) -> None:
    peer, sink = await upgraded(served, receive_bytes=STALLED)
    with contextlib.closing(peer):
        while sink.socket.pending_bytes < 1_000_000:
            sink.socket.write(BIG)
        await sent(peer, masked_frame(b"\x03\xe8", CLOSE))
        await until(lambda: not served.state.connections)


async def test_who_answers_no_ping_is_closed_and_cut() -> None:
    async with serving(Bounds(heartbeat_s=0.1, drain_s=1, close_s=0.1)) as served:
        peer, sink = await upgraded(served)
        with contextlib.closing(peer):
            await asyncio.wait_for(sink.gone.wait(), 5)
            await until(lambda: not served.state.connections)
            ping, *_, close = bodies(await read_to_end(peer))
        assert (4, 1011) == (len(ping), int.from_bytes(close[:2], "big"))


async def test_who_answers_pings_stays() -> None:
    async with serving(Bounds(heartbeat_s=0.05, drain_s=1)) as served:
        address = served.address.replace("http", "ws", 1)
        async with connect(address, proxy=None, ping_interval=None):
            sink = await served.sink()
            seen: set[bytes] = set()

            def pinged() -> bool:
                beat = sink.socket.heartbeat
                if beat and beat.asked:
                    seen.add(beat.asked)
                return len(seen) >= 4

            await until(pinged)
            assert not sink.gone.is_set()


async def test_a_peer_that_pings_and_reads_nothing_is_owed_one_pong(served: Served) -> None:
    """RFC 6455, 5.5.3: a Pong for the most recent Ping is enough."""
    peer, sink = await upgraded(served, receive_bytes=STALLED)
    with contextlib.closing(peer):
        while not sink.socket.congested:
            sink.socket.write(BIG)
        waiting = sink.socket.pending_bytes
        for number in range(500):
            await sent(peer, masked_frame(b"%d" % number, PING))
        await sent(peer, masked_frame(b'"last"'))
        await until(lambda: bool(sink.frames))
        assert waiting >= sink.socket.pending_bytes
        sink.socket.close_with(1000, "")
        assert b"499" not in await read_to_end(peer)


async def test_a_socket_is_apart_while_something_waits_for_its_peer(served: Served) -> None:
    peer, sink = await upgraded(served, receive_bytes=STALLED)
    apart = served.state.apart
    with contextlib.closing(peer):
        sink.socket.write(BIG[:10])
        assert (set(), False) == (apart.sockets, sink.socket.waiting)
        while not sink.socket.waiting:
            sink.socket.write(BIG)
        apart.tidy()
        assert ({sink.socket}, 0) == (apart.sockets, apart.lost)
        reading = asyncio.create_task(read_to_end(peer))
        await until(lambda: not sink.socket.waiting)
        apart.tidy()
        assert set() == apart.sockets
        sink.socket.close_with(1000, "")
        await reading
        await until(lambda: apart.lost == 1)
        assert sink.socket.aim == 0


async def test_nothing_is_kept_of_a_socket_that_is_lost(served: Served) -> None:
    peer, sink = await upgraded(served, receive_bytes=STALLED)
    apart = served.state.apart
    with contextlib.closing(peer):
        sink.socket.owe()
        while not sink.socket.pending_bytes:
            sink.socket.write(BIG)
        assert {sink.socket} == apart.sockets
    await until(lambda: apart.lost == 1)
    assert (set(), False) == (apart.sockets, sink.socket.owes)


async def test_a_socket_that_is_being_lost_is_apart_from_its_next_write_on(served: Served) -> None:
    """What a transport that is closing was given is never sent; nothing may follow it."""
    peer, sink = await upgraded(served)
    apart = served.state.apart
    with contextlib.closing(peer):
        sink.socket.transport.abort()
        sink.socket.write(BIG)
        apart.tidy()
        assert ({sink.socket}, 0) == (apart.sockets, apart.lost)
        await until(lambda: apart.lost == 1)
        assert set() == apart.sockets


async def test_a_socket_that_owes_something_is_apart_until_that_is_written(served: Served) -> None:
    peer, sink = await upgraded(served)
    apart = served.state.apart
    with contextlib.closing(peer):
        sink.socket.owe()
        apart.tidy()
        assert {sink.socket} == apart.sockets
        sink.socket.owes = False
        apart.tidy()
        assert set() == apart.sockets


async def test_the_owed_pong_comes_when_the_peer_reads_again(served: Served) -> None:
    peer, sink = await upgraded(served, receive_bytes=STALLED)
    with contextlib.closing(peer):
        while not sink.socket.congested:
            sink.socket.write(BIG)
        for number in range(20):
            await sent(peer, masked_frame(b"%d" % number, PING))
        await sent(peer, masked_frame(b'"last"'))
        await until(lambda: bool(sink.frames))
        reading = asyncio.create_task(read_to_end(peer))
        await until(lambda: not sink.socket.congested)
        sink.socket.close_with(1000, "")
        pongs = [body for body in bodies(await reading) if len(body) < 10]
    assert [b"19", b"\x03\xe8"] == pongs


@pytest.mark.parametrize("flood", [
    masked_frame(b"", PING), masked_frame(b"", 0xA), masked_frame(b"", 0x0, fin=False),
], ids=["pings", "pongs", "empty fragments"])  # fmt: skip
async def test_a_flood_of_frames_that_are_no_messages_ends_the_connection(
    served: Served, flood: bytes
) -> None:
    peer, sink = await upgraded(served)
    sink.socket._extras = Bucket(50)
    with contextlib.closing(peer):
        await sent(peer, masked_frame(b"", fin=False) + flood * 200)
        last = bodies(await read_to_end(peer))[-1]
    assert (4429, b'{"retry_s":5}') == (int.from_bytes(last[:2], "big"), last[2:])


async def test_what_follows_a_refusal_in_the_same_read_is_not_parsed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a megabyte of empty fragments costs a second of everybody's time before it is refused."""
    peer, sink = await upgraded(served)
    parsed: list[int] = []
    take = HubSocket._take

    def noted(socket: HubSocket, data: bytes) -> None:
        parsed.append(len(data))
        take(socket, data)

    monkeypatch.setattr(HubSocket, "_take", noted)
    fragments = masked_frame(b"", 0x0, fin=False) * (FRAGMENTS * 20)
    with contextlib.closing(peer):
        await sent(peer, masked_frame(b"", fin=False) + fragments)
        await sink.gone.wait()
        assert [] == sink.socket.frames[FRAGMENTS:]
        assert 1009 == int.from_bytes(bodies(await read_to_end(peer))[-1][:2], "big")
    assert max(parsed) <= 16_384


async def test_who_goes_on_sending_after_the_close_is_cut_early() -> None:
    async with serving(Bounds(drain_s=1, close_s=60)) as served:
        peer, sink = await upgraded(served)
        with contextlib.closing(peer):
            sink.socket.close_with(4429, "")
            message = masked_frame(b"x" * 60_000)
            for _ in range(LATE_BYTES // 60_000 + 2):
                await sent(peer, message)
            await until(lambda: not served.state.connections)
    assert [] == sink.frames


async def test_a_sink_that_pauses_is_handed_nothing_more_until_it_resumes(served: Served) -> None:
    """Not even what had been read already."""
    peer, sink = await upgraded(served)
    frames = b"".join(masked_frame(b"%06d" % number) for number in range(20_000))
    with contextlib.closing(peer):
        take = sink.on_frame

        def full(data: str | bytes) -> None:
            take(data)
            if len(sink.frames) % 2_000 == 1:
                sink.socket.pause()

        sink.on_frame = full  # type: ignore[method-assign]
        sending = asyncio.create_task(sent(peer, frames))
        for turn in range(1, 10_000):
            await until(lambda: sink.socket.read_paused or len(sink.frames) == 20_000)
            assert len(sink.frames) <= turn * 4_000
            if len(sink.frames) == 20_000:
                break
            sink.socket.resume()
            await asyncio.sleep(0)
        await sending
    assert [f"{number:06d}" for number in range(20_000)] == sink.frames


async def test_the_heaviest_is_let_go_when_the_process_holds_too_much() -> None:
    async with serving(Bounds(drain_s=1), Pressure(3_000_000)) as served:
        with contextlib.ExitStack() as stack:
            sinks = []
            for waiting in (500_000, 2_000_000, 1_200_000):
                peer, sink = await upgraded(served, receive_bytes=STALLED)
                stack.enter_context(contextlib.closing(peer))
                sinks.append(sink)
                while sink.socket.pending_bytes < waiting and not sink.gone.is_set():
                    sink.socket.write(BIG)
            assert [False, True, False] == [sink.gone.is_set() for sink in sinks]
            assert served.state.pressure.total <= 3_000_000
            await until(lambda: len(served.state.connections) == 2)


async def test_what_was_sent_and_is_not_read_on_counts_with_what_waits() -> None:
    """Whoever sends faster than it is served is paused in the middle of a large read."""
    message = masked_frame(b"x" * 1_000)
    async with serving(Bounds(drain_s=1), Pressure(300_000)) as served:
        with contextlib.ExitStack() as stack:
            sinks = []
            for _ in range(20):
                peer, sink = await upgraded(served)
                stack.enter_context(contextlib.closing(peer))
                sink.pauses = True
                sinks.append(sink)
                await sent(peer, message * 60)
            await until(lambda: all(sink.frames for sink in sinks))
            assert 300_000 >= served.state.pressure.total > 100_000
            left = [sink for sink in sinks if not sink.gone.is_set()]
            assert 0 < len(left) < 20
            for sink in left:
                sink.pauses = False
                sink.socket.resume()
            await until(lambda: all(len(sink.frames) == 60 for sink in left))
            assert 0 == served.state.pressure.total


async def test_a_server_that_stops_says_1012_and_waits_for_nobody() -> None:
    async with serving(Bounds(drain_s=10, close_s=0.3)) as served:
        stalled, sink = await upgraded(served, receive_bytes=STALLED)
        while sink.socket.pending_bytes < 1_000_000:
            sink.socket.write(BIG)
        address = served.address.replace("http", "ws", 1)
        async with connect(address, proxy=None) as client:
            served.server.should_exit = True
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert (1012, '{"retry_s":2}') == (closed.value.rcvd.code, closed.value.rcvd.reason)
        await until(lambda: not served.state.connections)
        stalled.close()


async def test_what_a_peer_falls_behind_by_is_not_taken_for_taken(served: Served) -> None:
    """Else a peer that takes nothing is given twice the time."""
    peer, sink = await upgraded(served, receive_bytes=STALLED)
    with contextlib.closing(peer):
        sink.socket.write(40 * BIG)
        await until(lambda: sink.socket.congested)
        assert sink.socket._weighed.taken < 20 * len(BIG)


async def test_a_peer_that_takes_nothing_is_let_go_and_a_slow_one_is_not() -> None:
    async with serving(Bounds(drain_s=1, stalled_s=0.3)) as served:
        with contextlib.ExitStack() as stack:
            peers, sinks = [], []
            for _ in range(2):
                peer, sink = await upgraded(served, receive_bytes=STALLED)
                stack.enter_context(contextlib.closing(peer))
                while sink.socket.pending_bytes < 1_000_000:
                    sink.socket.write(BIG)
                peers.append(peer)
                sinks.append(sink)
            staller, slow = sinks

            loop = asyncio.get_running_loop()
            until_s = loop.time() + 5 * served.state.bounds.stalled_s
            while loop.time() < until_s:
                await loop.sock_recv(peers[1], 65_536)
                slow.socket.write(BIG)
                await asyncio.sleep(0.01)
            assert staller.gone.is_set()
            assert not slow.gone.is_set()
            assert slow.socket.congested
