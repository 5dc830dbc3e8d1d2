"""A TCP proxy between a client and a hub: cut it, make it swallow what one side says, stop it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Proxy:
    """Passes bytes on to `target`, a hub's address, which may change between connections."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.address = ""
        self.mute = False
        self.refusing = False
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Abort every connection, as a network that goes away does: no goodbye on either side."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection."""
        if self.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        where = urlsplit(self.target)
        upstream, up = await asyncio.open_connection(where.hostname, where.port)
        self._open |= {writer, up}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, up, mutable=False))
                group.create_task(self._pump(upstream, writer, mutable=True))
        finally:
            self._open -= {writer, up}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, mutable: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not (mutable and self.mute):
                    writer.write(data)
                    await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def run_proxy(target: str) -> AsyncIterator[Proxy]:
    """A proxy on a free port."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        try:
            yield proxy
        finally:
            proxy.cut()
