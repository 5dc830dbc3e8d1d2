"""`hub.gateway.http`: heads and bodies out of bounds, and clients that never finish them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import h11
import pytest

from hub.gateway.bounds import Bounds
from hub.gateway.http import BoundedConnection, HubHttp
from hub.gateway.pressure import Pressure
from hub.gateway.refusal import HEAD_BYTES, HEADERS
from tests.support.redis import until

from .serving import HANDSHAKE, Served, read_to_end, sent, serving, upgraded

QUICK = Bounds(drain_s=1, close_s=0.2, head_s=0.3, body_s=0.3)
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


CHUNKED = POST.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(QUICK) as opened:
        yield opened


def statuses(answer: bytes) -> list[int]:
    """The status codes of all responses that came."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"", []),
        (b"GET / HT", [408]),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: y", [408]),
        (HANDSHAKE[:-2], [408]),
        (POST, [408]),
        (POST + b"four", [408]),
        (CHUNKED + b"5\r\nfo", [408]),
        (CHUNKED + b"odd\r\n", [400]),
        (POST + b"whole" + b"GET / HT", [200, 408]),
        (POST + b"whole" + POST + b"fo", [200, 408]),
    ],
    ids=["nothing", "line", "head", "handshake", "no body", "half a body", "chunk", "bad chunk",
         "half a second", "half a second body"],
)  # fmt: skip
async def test_who_never_finishes_is_given_up(
    served: Served, said: bytes, expected: list[int]
) -> None:
    peer = await served.connect()
    with contextlib.closing(peer):
        await sent(peer, said)
        answer = await asyncio.wait_for(read_to_end(peer), 5)
        await until(lambda: not served.state.connections)
    assert expected == statuses(answer)


async def test_dripping_does_not_win_time(served: Served) -> None:
    peer = await served.connect()
    with contextlib.closing(peer):
        reading = asyncio.create_task(read_to_end(peer))
        for byte in b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1_000:
            await sent(peer, bytes((byte,)))
            if reading.done():
                break
            await asyncio.sleep(0.02)
        assert [408] == statuses(await reading)


async def test_a_socket_outlives_the_bounds_of_its_request(served: Served) -> None:
    peer, sink = await upgraded(served)
    with contextlib.closing(peer):
        await asyncio.sleep(3 * QUICK.body_s)
        assert not sink.gone.is_set()


async def test_a_socket_keeps_nothing_of_the_request_it_was(served: Served) -> None:
    """Without the collector, which comes seldom."""
    gc.collect()
    gc.disable()
    try:
        peer, _ = await upgraded(served)
        with contextlib.closing(peer):
            await until(lambda: not any(isinstance(each, HubHttp) for each in gc.get_objects()))
    finally:
        gc.enable()


async def test_requests_one_after_the_other_are_all_in_time(served: Served) -> None:
    peer = await served.connect()
    with contextlib.closing(peer):
        for _ in range(5):
            await sent(peer, POST + b"whole")
            await until(lambda: bool(served.bodies))
            served.bodies.clear()
            await asyncio.sleep(QUICK.head_s / 3)
        peer.shutdown(1)
        assert [200] * 5 == statuses(await read_to_end(peer))


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"X: y"] * (HEADERS - 1), 200),
        ([b"X: y"] * HEADERS, 431),
        ([b"X: " + b"y" * (HEAD_BYTES - 100)], 200),
        ([b"X: " + b"y" * HEAD_BYTES], 431),
    ],
)
async def test_a_head_is_bounded_whole(served: Served, lines: list[bytes], status: int) -> None:
    """Also one that comes in a single read, which h11 alone would take."""
    peer = await served.connect()
    with contextlib.closing(peer):
        head = b"\r\n".join((b"GET / HTTP/1.1", b"Host: x", *lines, b"", b""))
        await sent(peer, head)
        peer.shutdown(1)
        assert [status] == statuses(await read_to_end(peer))


async def test_a_head_without_end_is_cut_off_early(served: Served) -> None:
    peer = await served.connect()
    with contextlib.closing(peer):
        reading = asyncio.create_task(read_to_end(peer))
        await sent(peer, b"GET / HTTP/1.1\r\nX: ")
        for _ in range(50):
            await sent(peer, b"y" * 1_000_000)
        assert [] == [status for status in statuses(await reading) if status != 431]
        await until(lambda: not served.state.connections)


async def test_more_sockets_than_there_may_be_are_cut() -> None:
    async with serving(Bounds(drain_s=1, sockets=3)) as served:
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(contextlib.closing(await served.connect()))
                     for _ in range(3)]  # fmt: skip
            await until(lambda: len(served.state.connections) == 3)
            late = stack.enter_context(contextlib.closing(await served.connect()))
            assert b"" == await asyncio.wait_for(read_to_end(late), 5)
            peers[0].close()
            await until(lambda: len(served.state.connections) == 2)
            again = stack.enter_context(contextlib.closing(await served.connect()))
            await sent(again, POST + b"whole")
            await until(lambda: bool(served.bodies))


async def test_little_waits_before_a_peer_is_behind_whatever_it_becomes() -> None:
    """What is not counted waits on each of thousands of connections."""
    async with serving(QUICK) as served:
        with contextlib.closing(await served.connect()):
            await until(lambda: bool(served.state.connections))
            (connection,) = served.state.connections
            assert isinstance(connection, HubHttp)
            assert 16_384 == connection.transport.get_write_buffer_limits()[1]
        peer, sink = await upgraded(served)
        with contextlib.closing(peer):
            assert 16_384 == sink.socket.transport.get_write_buffer_limits()[1]


async def test_who_is_behind_with_answers_is_behind_as_a_socket() -> None:
    async with serving(Bounds(drain_s=1)) as served:
        peer = await served.connect(receive_bytes=4_096)
        with contextlib.closing(peer):
            await sent(peer, b"GET /?2000000x1 HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: bool(served.bodies))
            await sent(peer, HANDSHAKE)
            socket = (await served.sink()).socket
            assert (True, True) == (socket.congested, socket.pending_bytes > 16_384)
            assert served.state.pressure.total >= socket.pending_bytes
            reading = asyncio.create_task(read_to_end(peer))
            await until(lambda: not socket.congested)
            socket.close_with(1000, "")
            assert [200, 101] == statuses(await reading)
        assert served.state.pressure.total == 0


async def test_who_takes_nothing_of_a_last_answer_is_cut() -> None:
    """It is too little for anybody to be paused."""
    async with serving(Bounds(drain_s=1, stalled_s=0.1)) as served:
        peer = await served.connect(receive_bytes=4_096)
        with contextlib.closing(peer):
            await until(lambda: bool(served.state.connections))
            (connection,) = served.state.connections
            assert isinstance(connection, HubHttp)
            asked = 0
            while not connection.pending_bytes:  # the kernel takes some
                await sent(peer, b"GET /?30000 HTTP/1.1\r\nHost: x\r\n\r\n")
                asked += 1
                await until(lambda: len(served.bodies) >= asked)  # noqa: B023
            await sent(peer, b"GET /?1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            await until(lambda: not served.state.connections)


async def test_answers_that_nobody_takes_count_and_are_let_go() -> None:
    async with serving(Bounds(drain_s=1), Pressure(2_000_000)) as served:
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                peer = await served.connect(receive_bytes=4_096)
                stack.enter_context(contextlib.closing(peer))
                await sent(peer, b"GET /?900000 HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: len(served.bodies) == 5)
            await until(lambda: len(served.state.connections) < 5)
            assert served.state.pressure.total <= 2_000_000


@pytest.mark.parametrize("answer", [b"900000", b"900000x3"])
async def test_a_server_stops_though_a_client_takes_nothing(answer: bytes) -> None:
    async with serving(Bounds(drain_s=60, close_s=0.2)) as served:
        peer = await served.connect(receive_bytes=4_096)
        await sent(peer, b"GET /?" + answer + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: bool(served.bodies))
        served.server.should_exit = True
        await until(lambda: not served.state.connections)
        peer.close()


def test_h11_still_takes_a_large_head_that_comes_at_once() -> None:
    """Why a bound of our own is there; when this fails, h11's may do."""
    connection = h11.Connection(h11.SERVER, HEAD_BYTES)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 300_000 + b"\r\n\r\n")
    assert isinstance(connection.next_event(), h11.Request)


@pytest.mark.parametrize("headers", [[(b"content-length", b"4")], [], [(b"x", b"y")]])
def test_a_head_waits_for_its_body_only_when_that_is_all_there(
    headers: list[tuple[bytes, bytes]],
) -> None:
    """A stream's head says that it was opened, long before the first of it comes."""
    connection = BoundedConnection(h11.SERVER, HEAD_BYTES)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.next_event()
    at_once = connection.send(h11.Response(status_code=200, headers=headers))
    rest = [connection.send(h11.Data(data=b"body")), connection.send(h11.EndOfMessage())]
    assert ((b"content-length", b"4") in headers) == (at_once == b"")
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(b"".join(each or b"" for each in (at_once, *rest)))
    heard = [client.next_event() for _ in range(3)]
    assert [h11.Response, h11.Data, h11.EndOfMessage] == [type(event) for event in heard]


def test_a_head_without_a_body_is_sent() -> None:
    connection = BoundedConnection(h11.SERVER, HEAD_BYTES)
    connection.receive_data(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.next_event()
    connection.send(h11.Response(status_code=200, headers=[(b"content-length", b"4")]))
    assert (connection.send(h11.EndOfMessage()) or b"").startswith(b"HTTP/1.1 200")
