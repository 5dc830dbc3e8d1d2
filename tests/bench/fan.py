"""A small server for the generators to be tried on: what one in a room says goes to everybody in
it, rightly or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from hub.bench.frames import PING
from hub.wire.frames import frame

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
HELD = b"held"
READY = b"you are in"
Deal = Callable[[int, int, bytes], list[bytes]]


def fair(conn: int, number: int, body: bytes) -> list[bytes]:
    """Everybody gets everything once."""
    return [body]


@dataclass
class Seat:
    """One connection: the port it came by and all that it was sent and has said."""

    port: int
    writer: asyncio.StreamWriter
    sent: bytes = b""
    said: list[bytes] = field(default_factory=list)

    async def send(self, data: bytes, piece: int = 0) -> None:
        """All at once, or so many bytes at a time."""
        self.sent += data
        for at in range(0, len(data), piece or len(data)):
            self.writer.write(data[at : at + (piece or len(data))])
            await self.writer.drain()


@dataclass
class Fan:
    """`deal` says what a connection gets for a room's message of that number: bodies of frames. Who
    does not answer the ping of the start is not let in. A path is `/ROOM/CONN`."""

    deal: Deal = fair
    piece: int = 0
    early: bool = False  # the first words come with the answer to the handshake
    ports: list[int] = field(default_factory=list)
    rooms: dict[bytes, dict[int, Seat]] = field(default_factory=dict)
    count: dict[bytes, int] = field(default_factory=dict)

    @property
    def seats(self) -> dict[int, Seat]:
        return {conn: seat for room in self.rooms.values() for conn, seat in room.items()}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        _, room, conn = path.split(b"/")
        seat = Seat(writer.get_extra_info("sockname")[1], writer)
        if self.early:
            self._let_in(room, int(conn), seat)
            seat.sent += frame(READY)
            writer.write(HEAD + seat.sent)
        else:
            writer.write(HEAD)
            await seat.send(PING + HELD, self.piece)
            assert HELD == await _said(reader)
            self._let_in(room, int(conn), seat)
            await seat.send(frame(READY), self.piece)
        while True:
            body = await _said(reader)
            if body != HELD:  # a ping may be answered twice
                seat.said.append(body)
                await self._pass_on(room, body)

    def _let_in(self, room: bytes, conn: int, seat: Seat) -> None:
        self.rooms.setdefault(room, {})[conn] = seat

    async def _pass_on(self, room: bytes, body: bytes) -> None:
        number = self.count[room] = self.count.get(room, 0) + 1
        for conn, seat in self.rooms[room].items():
            if found := b"".join(map(frame, self.deal(conn, number, body))):
                await seat.send(found, self.piece)


async def _said(reader: asyncio.StreamReader) -> bytes:
    """The body of a client's frame; its mask is of zeros."""
    size = (await reader.readexactly(2))[1] & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    return (await reader.readexactly(4 + size))[4:]


@contextlib.asynccontextmanager
async def open_fan(fan: Fan, ports: int = 1) -> AsyncIterator[Fan]:
    """It listens, on so many ports."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(ports):
            server = await asyncio.start_server(fan.answer, "127.0.0.1", 0)
            await stack.enter_async_context(server)
            fan.ports.append(server.sockets[0].getsockname()[1])
        yield fan
