"""Answers as long as they are: sent a part at a time, as fast as their client takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.core.errors import HubError
from hub.gateway.sse import gone

log = structlog.get_logger("hub.http")


class Streamed(Response):
    """Its `parts`, until they end or the client is gone. A part is made when the one before has
    left. When they break off the answer does: it has no end, so that nobody takes it for whole."""

    def __init__(
        self, parts: AsyncGenerator[bytes, None], media_type: str, headers: dict[str, str]
    ) -> None:
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers(headers)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await _end(send)
            else:
                await self._run(receive, send)
        finally:
            await self._parts.aclose()

    async def _run(self, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = {group.create_task(self._say(send)), group.create_task(gone(receive))}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def _say(self, send: Send) -> None:
        try:
            async for part in self._parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except HubError as error:
            log.warning("an answer broke off", reason=error.message)
        else:
            await _end(send)


async def _end(send: Send) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": False})
