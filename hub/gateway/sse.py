"""Answers that go on: server-sent events (WHATWG HTML, section 9.2) from whoever produces them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.wire.sse import HEARTBEAT

HEARTBEAT_S: Final = 15.0
Say = Callable[[bytes], Awaitable[None]]
Produce = Callable[[Say], Awaitable[None]]


class EventStream(Response):
    """What `produce` says, as it says it, until it returns or the client is gone; a comment
    whenever nothing was said for a while, so that proxies keep the line open. `on_end` is called
    once, however it ends; with `last` the connection ends too."""

    media_type = "text/event-stream"

    def __init__(
        self,
        produce: Produce,
        on_end: Callable[[], None],
        heartbeat_s: float = HEARTBEAT_S,
        *,
        last: bool = False,
    ) -> None:
        self.status_code = 200
        self.background = None
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        self.init_headers(headers | ({"Connection": "close"} if last else {}))
        self._produce = produce
        self._on_end = on_end
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            voice = _Voice(send)
            if scope["method"] == "HEAD":
                await voice.end()
            else:
                await self._run(receive, voice)
        finally:
            self._on_end()

    async def _run(self, receive: Receive, voice: _Voice) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = {
                group.create_task(_produce(self._produce, voice)),
                group.create_task(voice.keep_alive(self._heartbeat_s)),
                group.create_task(gone(receive)),
            }
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()


async def _produce(produce: Produce, voice: _Voice) -> None:
    await produce(voice.say)
    await voice.end()


class _Voice:
    """Sends parts of the body, and knows when it did last."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._said_s = 0.0

    async def say(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._said_s = asyncio.get_running_loop().time()

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def keep_alive(self, every_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._said_s = loop.time()
        while True:
            await asyncio.sleep(max(0.0, self._said_s + every_s - loop.time()))
            if loop.time() - self._said_s >= every_s:
                await self.say(HEARTBEAT)


async def gone(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
