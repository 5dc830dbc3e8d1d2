"""A TCP proxy in front of PostgreSQL that can lose the server's answer to a COMMIT.

The protocol: https://www.postgresql.org/docs/current/protocol-message-formats.html. A message of
the server is a byte for its type, four for its length, and the rest; CommandComplete is `C`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

_SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_COMMITTED: Final = b"COMMIT\x00"


class CommitCutter:
    """Passes everything on; while `armed`, the next COMMIT is answered with a cut instead."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.cuts = 0
        self._server_port = port
        self._armed = False
        self._cut = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    def close(self) -> None:
        """Cut every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def cut_next(self) -> None:
        """Returns when the answer to a COMMIT was lost."""
        self._armed = True
        self._cut.clear()
        await self._cut.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the hub."""
        server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._open |= {writer, to_server}
        try:
            first = await reader.readexactly(8)
            if first == _SSL_REQUEST:
                writer.write(b"N")
            else:
                to_server.write(first)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, to_server))
                group.create_task(self._answers(server, writer, to_server))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            to_server.transport.abort()
            self._open -= {writer, to_server}

    async def _answers(
        self,
        server: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        to_server: asyncio.StreamWriter,
    ) -> None:
        """Message by message, so that an answer can be known and lost."""
        while True:
            head = await server.readexactly(5)
            body = await server.readexactly(int.from_bytes(head[1:], "big") - 4)
            if self._armed and head[:1] == b"C" and body == _COMMITTED:
                self._armed = False
                self.cuts += 1
                self._cut.set()
                writer.transport.abort()
                to_server.transport.abort()
                return
            writer.write(head + body)
            await writer.drain()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def run_commit_cutter(port: int) -> AsyncIterator[CommitCutter]:
    """A proxy to the PostgreSQL on `port`, on a free port of its own."""
    cutter = CommitCutter(port)
    listening = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
    cutter.port = listening.sockets[0].getsockname()[1]
    try:
        yield cutter
    finally:
        listening.close()
        cutter.close()
        await asyncio.sleep(0)  # they end in this tick
