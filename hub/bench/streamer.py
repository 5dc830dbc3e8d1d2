"""A server of streams for what is measured against one of our own: every request is answered by
pieces in their time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Streamer:
    """`answer` reads the request's body; what it returns makes the piece of a number when its time
    has come: the first of `count` at once, then one every `interval_s`, the `end` with the last."""

    answer: Callable[[bytes], Callable[[int], bytes]]
    count: int
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
            piece = self.answer(await _body(reader))
            writer.write(HEAD)
            for number in range(self.count):
                if number:
                    await asyncio.sleep(self.interval_s)
                writer.write(piece(number))
                await writer.drain()
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
