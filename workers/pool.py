"""The pool: claims runs as they are woken, never more than it can hold, and sweeps the database
for what Redis forgot or a dead worker left behind."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from hub.bus.client import end
from hub.core.errors import HubError, Unavailable
from hub.core.values import Run
from hub.parts import Parts, now_ms
from hub.ports import Reply
from workers.drivers.base import Driver
from workers.run import Attempt

WAIT_S: Final = 2.0
GRACE_MS: Final = 1_000
ATTEMPTS: Final = 10
DRAIN_SHARE: Final = 0.7
log = structlog.get_logger("workers.pool")


class Pool:
    """Works runs, `settings.worker_runs` at a time."""

    def __init__(self, parts: Parts, driver: Driver, name: str) -> None:
        self._parts = parts
        self._driver = driver
        self._name = name
        self._free = asyncio.Semaphore(parts.settings.worker_runs)
        self._working: dict[str, asyncio.Task[None]] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop; then claim nothing new and let what runs come to its end, for
        as long as a drain may take. What is still running then is left to its lease."""
        async with asyncio.TaskGroup() as group:
            claiming = [
                group.create_task(self._listen(group)),
                group.create_task(self._sweep(group)),
            ]
            await stopping.wait()
            for task in claiming:
                await end(task)
            if self._working:
                await asyncio.wait(
                    self._working.values(), timeout=self._parts.settings.drain_s * DRAIN_SHARE
                )
            for task in self._working.values():
                task.cancel()

    async def _listen(self, group: asyncio.TaskGroup) -> None:
        while True:
            async with self._free:
                pass  # limit before claim: read nothing while there is no room to work it
            limit = max(1, self._parts.settings.worker_runs - len(self._working))
            try:
                woken = await self._parts.bus.woken(self._name, limit, WAIT_S)
            except Unavailable:
                await asyncio.sleep(0.5)
                continue
            for run_id in woken:
                await self._take(group, run_id)

    async def _sweep(self, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                due = await self._parts.store.runs.due(GRACE_MS, self._parts.settings.worker_runs)
                for run_id in due:
                    await self._take(group, run_id)
            except Unavailable as error:
                log.warning("the sweep found no database", reason=error.message)
            await asyncio.sleep(self._parts.settings.sweep_s)

    async def _take(self, group: asyncio.TaskGroup, run_id: str) -> None:
        if run_id in self._working:
            return
        await self._free.acquire()
        if run_id in self._working:  # the sweep and a wake-up waited for the same place
            self._free.release()
            return
        task = group.create_task(self._work(run_id))
        self._working[run_id] = task
        task.add_done_callback(lambda _: self._put_back(run_id))

    def _put_back(self, run_id: str) -> None:
        self._working.pop(run_id, None)
        self._free.release()

    async def _work(self, run_id: str) -> None:
        """One claim; nothing that goes wrong in it may end the pool."""
        try:
            lease_ms = int(self._parts.settings.lease_s * 1000)
            run = await self._parts.store.runs.claim(run_id, self._name, lease_ms)
            if run is None:
                return
            if run.attempt > ATTEMPTS:
                await self._give_up(run)
                return
            if await Attempt(self._parts, self._driver, run).work() is not None:
                await self._parts.bus.drop_draft(run_id)
        except HubError as error:
            log.warning("run not worked", run=run_id, reason=error.message)
        except Exception:
            log.exception("a run failed unexpectedly", run=run_id)

    async def _give_up(self, run: Run) -> None:
        message = f"it broke off {ATTEMPTS} times"
        reply = Reply(
            "failed", f"Sorry, I could not answer: {message}.", now_ms(), "failed", message,
            error={"code": "BACKEND_ERROR", "message": message},
        )  # fmt: skip
        ended = await self._parts.store.runs.finish(run.id, run.attempt, reply)
        if ended is not None:
            self._parts.publisher.put(ended.entries, ended.wake)
