"""A server of the gateway's own kind around an application of a few lines, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.types import Message, Receive, Scope, Send

from hub.gateway.bounds import Bounds, SharedState
from hub.gateway.pressure import Pressure
from hub.gateway.protocol import EXTENSION, HubSocket
from hub.gateway.server import Server, address_of, listen, make_server
from tests.support.redis import until


class Sink:
    """A `FrameSink` that keeps what comes."""

    def __init__(self, socket: HubSocket) -> None:
        self.socket = socket
        self.frames: list[str | bytes] = []
        self.gone = asyncio.Event()
        self.pauses = False

    def on_frame(self, data: str | bytes) -> None:
        self.frames.append(data)
        if self.pauses:
            self.socket.pause()

    def on_closed(self) -> None:
        self.gone.set()


@dataclass
class Served:
    """The server, the sinks of its sockets and the bodies of its requests, as they came."""

    address: str
    server: Server
    sinks: list[Sink] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def state(self) -> SharedState:
        assert isinstance(self.server.server_state, SharedState)
        return self.server.server_state

    async def sink(self) -> Sink:
        """The one socket that is there."""
        await until(lambda: bool(self.sinks))
        return self.sinks[0]

    async def connect(self, *, receive_bytes: int = 0) -> socket.socket:
        """A TCP connection that reads only what it is told to."""
        host, port = self.address.removeprefix("http://").rsplit(":", 1)
        peer = socket.socket()
        if receive_bytes:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_connect(peer, (host, int(port)))
        return peer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application: keeps frames and bodies, and answers `?SIZExTIMES`."""
        if scope["type"] == "websocket":
            self._socket(scope["extensions"][EXTENSION])
            return
        body, more = b"", True
        while more:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        size, _, times = scope["query_string"].partition(b"x")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for left in range(int(times or 1) - 1, -1, -1):
            part = b"x" * int(size or 0)
            await send({"type": "http.response.body", "body": part, "more_body": left > 0})

    def _socket(self, socket: HubSocket) -> None:
        sink = Sink(socket)
        self.sinks.append(sink)
        socket.open(sink)
        socket.opened()


@contextlib.asynccontextmanager
async def serving(bounds: Bounds, pressure: Pressure | None = None) -> AsyncIterator[Served]:
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        served = Served(address_of(listener), None)  # type: ignore[arg-type]
        served.server = make_server(served, bounds, pressure)
        task = asyncio.create_task(served.server.serve([listener]))
        await until(lambda: served.server.started)
        try:
            yield served
        finally:
            served.server.should_exit = True
            await task


async def sent(peer: socket.socket, data: bytes) -> None:
    """Send it all; a server that has cut already is no error."""
    with contextlib.suppress(ConnectionError):
        await asyncio.get_running_loop().sock_sendall(peer, data)


async def read_to_end(peer: socket.socket) -> bytes:
    """What comes until the server ends or cuts the connection."""
    loop, got = asyncio.get_running_loop(), b""
    with contextlib.suppress(ConnectionError):
        while part := await loop.sock_recv(peer, 65_536):
            got += part
    return got


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def upgraded(served: Served, *, receive_bytes: int = 0) -> tuple[socket.socket, Sink]:
    """A WebSocket past its handshake, and what the server knows of it."""
    peer = await served.connect(receive_bytes=receive_bytes)
    await sent(peer, HANDSHAKE)
    head = b""
    while b"\r\n\r\n" not in head:
        head += await asyncio.get_running_loop().sock_recv(peer, 1)
    known = len(served.sinks)
    await until(lambda: len(served.sinks) >= max(1, known))
    return peer, served.sinks[-1]
