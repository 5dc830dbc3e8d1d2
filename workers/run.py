"""One attempt at one run: build what the driver is given, invoke it, stream, end.

The lease is renewed while it works. Whoever finds that the run is no longer its own stops at once
and writes nothing more; the end of the run and its message are one transaction.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from hub.bus.client import end
from hub.core.errors import Backend, BackendTimeout, HubError, PromptTooLong, Unavailable
from hub.core.values import Run
from hub.parts import Parts
from hub.ports import Ended, Pause, Reply
from workers.breaker import Breaker, endpoint_of
from workers.draft import Progress, Scribe
from workers.drivers.base import Driver, Gone
from workers.endings import WAITED, cancelled, failed, outcome_of
from workers.figures import WorkCounts
from workers.inviting import Unwelcome, invite
from workers.lease import Lost, keep_lease
from workers.patience import patiently

RETRIES: Final = 3
LESS: Final = 0.6
SHARE_LEAST: Final = 0.2
BACKOFF_S: Final = 0.5
BACKOFF_MOST_S: Final = 8.0
log = structlog.get_logger("workers.run")


@dataclass(frozen=True, slots=True)
class Tools:
    """What every attempt of a pool works with."""

    parts: Parts
    drivers: Mapping[str, Driver]
    breaker: Breaker
    counts: WorkCounts = field(default_factory=WorkCounts)


class Attempt:
    """Works a claimed run to its end, or until it waits."""

    def __init__(self, tools: Tools, run: Run) -> None:
        self._tools = tools
        self._parts = tools.parts
        self._run = run
        self._progress = Progress()
        self._scribe = Scribe(tools.parts, run, self._progress, tools.counts)
        self._cut: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def cut(self, by: str) -> None:
        """Stop writing: somebody asked for the end of this run."""
        if not self._cut.done():
            self._cut.set_result(by)

    async def work(self) -> Ended | None:
        """Returns how the run ended or paused, None when another attempt took it over."""
        ended: Ended | None = None
        try:
            async with asyncio.TaskGroup() as group:
                lease = group.create_task(self._keep_lease())
                flushing = group.create_task(self._scribe.flush_often())
                writing = group.create_task(self._outcome())
                cutting = group.create_task(self._until_cut(writing))
                outcome = await self._settle(writing)
                await end(cutting)
                await end(flushing)
                ended = await self._store(outcome)
                await end(lease)
        except* Lost:
            self._tools.counts.lost += 1
            log.info("run lost to another attempt", run=self._run.id, attempt=self._run.attempt)
        return ended

    async def _keep_lease(self) -> None:
        await keep_lease(self._parts, lambda: self._scribe.run, self.cut)

    async def _until_cut(self, writing: asyncio.Task[Reply | Pause]) -> None:
        """Leave the driver as soon as somebody asked for the end."""
        await self._cut
        await end(writing)

    async def _settle(self, writing: asyncio.Task[Reply | Pause]) -> Reply | Pause:
        """What was written to its end, or was cut short."""
        await asyncio.wait({writing})
        if not writing.cancelled():
            return writing.result()
        await self._scribe.flush()
        return cancelled(self._run, self._progress, self._cut.result())

    # Writing.

    async def _outcome(self) -> Reply | Pause:
        """Everything up to what is to be stored; a failure is a reply too."""
        run = self._run
        if run.cancelled_by:
            await self._scribe.recall()
            return cancelled(run, self._progress, run.cancelled_by)
        if run.awaits:
            await self._scribe.recall()
            return failed(self._progress, BackendTimeout(WAITED[run.awaits]))
        try:
            return await self._try()
        except HubError as error:
            if isinstance(error, Gone):
                await self._retire()
            return failed(self._progress, error, told=not isinstance(error, Unwelcome))
        except Lost:
            raise
        except Exception:
            log.exception("a driver failed", run=run.id)
            return failed(self._progress, Backend("the participant's driver failed"))

    async def _try(self) -> Reply | Pause:
        """Invoke, and again when that may help; each new try replaces what was seen of the one
        before."""
        deadline_s = self._parts.settings.agent_deadline_s
        try:
            async with asyncio.timeout(deadline_s) as bound:
                tries = 0
                while True:
                    try:
                        return await self._invoke(bound)
                    except PromptTooLong:  # tokens are estimated: ask again with less
                        if self._progress.share * LESS < SHARE_LEAST:
                            raise
                        self._progress.share *= LESS
                    except Backend as error:
                        if not error.transient or tries == RETRIES:
                            raise
                        await self._pause_before(tries, error, bound)
                    except Unavailable as error:  # our own database or Redis: it comes back
                        await self._pause_before(tries, error, bound)
                    tries += 1
        except TimeoutError:
            return failed(self._progress, BackendTimeout(self._late()))

    def _late(self) -> str:
        return f"no complete reply within {self._progress.deadline_s:g} s"

    async def _pause_before(self, tries: int, error: HubError, bound: asyncio.Timeout) -> None:
        """Back off, or give up when there is no time for it; then begin anew."""
        delay_s = error.retry_after
        if delay_s is None:
            delay_s = min(BACKOFF_MOST_S, BACKOFF_S * 2 ** min(tries, 10)) * random.uniform(0.5, 1)
        ends_at = bound.when() or 0.0
        if asyncio.get_running_loop().time() + delay_s >= ends_at:
            raise error
        self._scribe.status(f"trying again: {error.message}"[:200])
        await asyncio.sleep(delay_s)
        if self._progress.seen:
            await self._scribe.begin_again()

    async def _invoke(self, bound: asyncio.Timeout) -> Reply | Pause:
        invitation = await invite(self._parts, self._scribe.run, self._progress.share)
        driver = self._tools.drivers.get(invitation.kind)
        if driver is None:
            raise Backend(f"this hub has no driver of the kind {invitation.kind}")
        self._scribe.begin(invitation)
        if self._progress.tries == 1:
            loop = asyncio.get_running_loop()
            bound.reschedule(loop.time() + invitation.invocation.deadline_s)
        self._scribe.status("thinking")
        endpoint = endpoint_of(invitation.invocation.driver)
        self._tools.breaker.enter(endpoint)
        try:
            async with driver.invoke(invitation.invocation) as parts:
                ending = await self._scribe.read(parts)
        except Backend as error:
            if error.transient or isinstance(error, BackendTimeout):
                self._tools.breaker.failed(endpoint)
            raise
        self._tools.breaker.succeeded(endpoint)
        await self._scribe.flush()
        run = self._scribe.run
        return await patiently(lambda: outcome_of(self._parts, run, self._progress, ending))

    async def _retire(self) -> None:
        """The other side is gone for good: it is not asked again."""
        run = self._run
        changes = {"driver": None}
        await self._parts.store.participants.update(run.tenant_id, run.participant_id, changes)
        log.warning("a participant's driver was removed: it is gone", id=run.participant_id)

    # The end.

    async def _store(self, outcome: Reply | Pause) -> Ended:
        """Store the end, patiently: the database may be away for a moment."""
        run, store = self._scribe.run, self._parts.store.runs

        async def write() -> Ended | None:
            if isinstance(outcome, Pause):
                return await store.pause(run.id, run.attempt, outcome)
            return await store.finish(run.id, run.attempt, outcome)

        try:
            ended = await patiently(write)
        except Unavailable:
            raise Lost from None
        if ended is None:
            raise Lost
        self._parts.publisher.put(ended.entries, ended.woken, ended.cut)
        if ended.run.awaits == "socket":
            await self._parts.answers.offer(ended.run)
        if isinstance(outcome, Reply) and outcome.escalation is not None:
            await self._parts.handling.announce_escalation(run.tenant_id, run.room_id)
        return ended
