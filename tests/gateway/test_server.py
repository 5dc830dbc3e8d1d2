"""`hub.gateway.server`: how the listening socket is set up, and what a handshake agrees on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect

from hub.gateway.bounds import Bounds
from hub.gateway.protocol import EXTENSION, HubSocket
from hub.gateway.server import SEND_BUFFER, STALLED_MS, address_of, listen, make_server

from .serving import Sink


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        yield listener


async def accept(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that lets everybody in."""
    socket: HubSocket = scope["extensions"][EXTENSION]
    socket.open(Sink(socket))
    socket.opened()


def test_the_kernel_keeps_little_of_what_a_client_does_not_read() -> None:
    """Linux doubles what it is asked for, to have room for its own notes."""
    with listening() as listener:
        size = listener.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert size in (SEND_BUFFER, 2 * SEND_BUFFER)


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is of Linux")
def test_a_peer_that_stopped_answering_is_given_up() -> None:
    with listening() as listener:
        given_up_ms = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert STALLED_MS == given_up_ms


async def test_no_compression_is_agreed_on() -> None:
    server = make_server(accept, Bounds(drain_s=1))
    with listening() as listener:
        serving = asyncio.create_task(server.serve([listener]))
        try:
            address = address_of(listener).replace("http", "ws", 1)
            async with connect(address, compression="deflate", proxy=None) as client:
                assert [] == list(client.protocol.extensions)
        finally:
            server.should_exit = True
            await serving
