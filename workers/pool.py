"""The pool: claims runs as they are woken, never more than it can hold, and sweeps the database
for what Redis forgot or a dead worker left behind.

While there is more to do than it can hold, it takes runs from the database by turns of tenants and
rooms, instead of in the order in which they were woken: nobody waits behind a crowd.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Final

import structlog
from prometheus_client import Metric

from hub.bus.client import end
from hub.core.errors import HubError, Unavailable
from hub.core.values import Run
from hub.enduring import enduring, tell
from hub.parts import now_ms
from hub.ports import Reply
from workers.figures import of_pool
from workers.inviting import invite
from workers.run import Attempt, Tools
from workers.titles import entitle

WAIT_S: Final = 2.0
GRACE_MS: Final = 1_000
ATTEMPTS: Final = 10
DRAIN_SHARE: Final = 0.7
ABANDON_S: Final = 5.0
log = structlog.get_logger("workers.pool")


class Pool:
    """Works runs, `settings.worker_runs` at a time."""

    def __init__(self, tools: Tools, name: str) -> None:
        self._tools = tools
        self._parts = tools.parts
        self._name = name
        self._free = asyncio.Semaphore(self._parts.settings.worker_runs)
        self._working: dict[str, asyncio.Task[None]] = {}
        self._attempts: dict[str, Attempt] = {}
        self._calm = asyncio.Event()
        self._calm.set()
        self._crowd = asyncio.Event()

    def tell(self) -> Iterator[Metric]:
        """What Prometheus is told of it."""
        tools, most = self._tools, self._parts.settings.worker_runs
        return of_pool(tools.counts, len(self._working), most, tools.breaker.resting)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop; then claim nothing new and let what runs come to its end, for
        as long as a drain may take. What is still running then is left to its lease."""
        async with asyncio.TaskGroup() as group:
            work = (self._listen, self._sweep, self._watch_cuts)
            *claiming, cutting = [
                group.create_task(enduring(partial(each, group))) for each in work
            ]
            await stopping.wait()
            for task in claiming:
                await end(task)
            if self._working:
                await asyncio.wait(
                    self._working.values(), timeout=self._parts.settings.drain_s * DRAIN_SHARE
                )
            await end(cutting)
            for task in list(self._working.values()):
                await end(task)

    async def _listen(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._calm.wait()
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
            if len(woken) == limit:
                self._calm.clear()
                self._crowd.set()

    async def _sweep(self, group: asyncio.TaskGroup) -> None:
        while True:
            crowded = not self._calm.is_set()
            async with self._free:
                pass
            limit = max(1, self._parts.settings.worker_runs - len(self._working))
            try:
                due = await self._parts.store.runs.due(0 if crowded else GRACE_MS, limit)
                for run_id in due:
                    await self._take(group, run_id)
                if crowded and due:
                    continue
                self._calm.set()
            except Unavailable as error:
                log.warning("the sweep found no database", reason=error.message)
            await self._until_crowded()

    async def _until_crowded(self) -> None:
        """Returns after the time between sweeps, or at once when runs pile up."""
        self._crowd.clear()
        try:
            async with asyncio.timeout(self._parts.settings.sweep_s):
                await self._crowd.wait()
        except TimeoutError:
            return

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
                await self._tidy(run_id)
                return
            self._tools.counts.claimed(run)
            if run.attempt > ATTEMPTS:
                await self._give_up(run)
            else:
                await self._attempt(run)
        except HubError as error:
            log.warning("run not worked", run=run_id, reason=error.message)
        except Exception:
            log.exception("a run failed unexpectedly", run=run_id)

    async def _attempt(self, run: Run) -> None:
        attempt = self._attempts[run.id] = Attempt(self._tools, run)
        try:
            ended = await attempt.work()
        finally:
            del self._attempts[run.id]
        if ended is not None:
            self._tools.counts.ended(ended.run)
            await entitle(self._parts, ended.run)

    async def _give_up(self, run: Run) -> None:
        message = f"it broke off {ATTEMPTS} times"
        reply = Reply(
            "failed", f"Sorry, I could not answer: {message}.", now_ms(), "failed", message,
            error={"code": "BACKEND_ERROR", "message": message},
        )  # fmt: skip
        ended = await self._parts.store.runs.finish(run.id, run.attempt, reply)
        if ended is not None:
            self._parts.publisher.put(ended.entries, ended.woken, ended.cut)

    # Runs whose end was asked for.

    async def _watch_cuts(self, group: asyncio.TaskGroup) -> None:
        """Hear of runs to be cut short; while nothing is heard, the lease tells of them."""

        def hear(run_id: str) -> None:
            attempt = self._attempts.get(run_id)
            if attempt is not None:
                group.create_task(self._cut(run_id, attempt))
            elif run_id not in self._working:
                group.create_task(self._work(run_id))

        while True:
            try:
                await self._parts.bus.watch_cuts(hear)
            except Unavailable:
                await asyncio.sleep(0.5)

    async def _cut(self, run_id: str, attempt: Attempt) -> None:
        try:
            run = await self._parts.store.runs.peek(run_id)
        except Exception as error:
            tell(log, "a run is not cut short yet; its lease tells too", error)
            return
        if run is not None and run.cancelled_by:
            attempt.cut(run.cancelled_by)

    async def _tidy(self, run_id: str) -> None:
        """End a run that only waits for its end, and what it had begun elsewhere."""
        ended = await self._parts.store.runs.end_cancelled(run_id, now_ms())
        if ended is not None:
            self._parts.publisher.put(ended.entries, ended.woken, ended.cut)
            return
        run = await self._parts.store.runs.peek(run_id)
        if run is None or run.state != "cancelled" or not run.attempt or run.usage is not None:
            return
        invitation = await invite(self._parts, run)
        driver = self._tools.drivers.get(invitation.kind)
        if driver is not None:
            async with asyncio.timeout(ABANDON_S):
                await driver.abandon(invitation.invocation)
