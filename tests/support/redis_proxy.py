"""A TCP proxy in front of a Valkey: cut it, refuse, swallow everything, lose what is published."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

_MESSAGE = b"*3\r\n$8\r\nsmessage\r\n"


class RedisProxy:
    """Passes bytes on to the server at `url`, which may come and go.

    `refusing` accepts nobody; `swallowing` keeps connections and loses every byte, as a black hole
    does; `lossy` loses what is published to rooms, and nothing else.
    """

    def __init__(self, url: str) -> None:
        self.url = ""
        self.refusing = False
        self.swallowing = False
        self.lossy = False
        self.lost = 0
        self._target = url
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None] | None] = set()

    async def ended(self) -> None:
        """Cut everything, and wait until it is over."""
        self.cut()
        if serving := [task for task in self._serving if task is not None]:
            await asyncio.wait(serving)

    def cut(self) -> None:
        """Abort every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a hub."""
        self._open.add(writer)
        self._serving.add(asyncio.current_task())
        try:
            if self.refusing:
                return
            if self.swallowing:
                await reader.read()
                return
            upstream, up = await self._connect()
            self._open.add(up)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, up))
                    group.create_task(self._pass(upstream, writer, answers=True))
            finally:
                self._open.discard(up)
                up.transport.abort()
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            self._serving.discard(asyncio.current_task())
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        where = urlsplit(self._target)
        if where.scheme == "unix":
            return await asyncio.open_unix_connection(where.path)
        return await asyncio.open_connection(where.hostname, where.port)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        while data := await reader.read(65_536):
            if self.swallowing:
                continue
            if answers and self.lossy and data.startswith(_MESSAGE) and b":room:" in data:
                self.lost += 1
                continue
            writer.write(data)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def run_redis_proxy(url: str) -> AsyncIterator[RedisProxy]:
    """A proxy on a free port, in front of the server at `url`."""
    proxy = RedisProxy(url)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listening.close()
        await proxy.ended()
