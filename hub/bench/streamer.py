"""A server of streams for what is measured against one of our own: every request is answered by
pieces in their time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Streamer:
    """`pieces` makes those of an answer from the request's body, each when its time has come: the
    first at once, then one every `interval_s`, and then the `end`."""

    pieces: Callable[[bytes], Iterator[bytes]]
    end: bytes
    interval_s: float

    async def serve(self, port: int = 0) -> None:
        """Answer until cancelled or killed; prints its port once it listens."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", port, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _body(reader)
            writer.write(HEAD)
            for piece in self.pieces(asked):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(self.interval_s)
            writer.write(self.end)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return await reader.readexactly(length)
