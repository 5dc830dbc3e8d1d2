"""The `a2a` driver: an agent that speaks Agent2Agent (1.0 or 0.3) over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx

from hub.core.errors import Backend
from hub.core.invoking import Invocation, Part
from workers.drivers.a2a_agent import Agent, Agents
from workers.drivers.a2a_http import Bounds
from workers.drivers.a2a_talk import Talk, url_of


class A2aDriver:
    """`Driver` for `{"kind": "a2a", "url": …}`; `client` decides which addresses may be called."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        bounds: Bounds | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bounds = bounds or Bounds()
        self._agents = Agents(client, self._bounds, clock)
        self._ending: set[asyncio.Task[None]] = set()

    def invoke(self, invocation: Invocation) -> AbstractAsyncContextManager[AsyncIterator[Part]]:
        return self._opened(invocation)

    async def abandon(self, invocation: Invocation) -> None:
        task_id = str(invocation.run.memory.get("task_id") or "")
        if task_id:
            agent = await self._agents.find(url_of(invocation))
            await _cancel(agent, task_id, self._bounds.answer_s)

    @asynccontextmanager
    async def _opened(self, invocation: Invocation) -> AsyncIterator[AsyncIterator[Part]]:
        talk = Talk(self._agents, self._bounds, invocation)
        parts = talk.parts()
        try:
            yield parts
        finally:
            try:
                await parts.aclose()
            finally:
                if talk.agent and talk.task_id and not talk.settled:
                    await self._end(talk.agent, talk.task_id)

    async def _end(self, agent: Agent, task_id: str) -> None:
        """Cancel a task that nobody waits for any more, once begun even when this is cancelled: a
        task of its own, which takes no longer than `cancel_s`."""

        async def attempt() -> None:
            with contextlib.suppress(Backend):  # it ended by itself, or cannot be told
                await _cancel(agent, task_id, self._bounds.cancel_s)

        ending = asyncio.ensure_future(attempt())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)


async def _cancel(agent: Agent, task_id: str, within_s: float) -> None:
    await agent.ask("cancel", {"id": task_id}, within_s=within_s)
