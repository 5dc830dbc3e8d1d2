"""The runs that bots on sockets work on here: all leases are renewed together, every second, and
what was lost or cancelled meanwhile is withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import structlog

from hub.core.errors import HubError, Unavailable
from hub.core.values import Run
from hub.enduring import tell
from hub.gateway.desk import Desk
from hub.service.answers import Answers

RENEW_S: Final = 1.0
log = structlog.get_logger("hub.keeping")


class Holder(Protocol):
    """A connection of a bot."""

    @property
    def desk(self) -> Desk: ...

    def withdraw(self, run_id: str) -> None:
        """Tell the bot that a run is no longer its own."""


class Keeping:
    """One call renews everything, so that no run's lease waits for another's; what takes longer is
    done beside it. Both loops work until cancelled."""

    def __init__(
        self,
        answers: Answers,
        holders: Callable[[], Iterable[Holder]],
        renew_s: float = RENEW_S,
    ) -> None:
        self._answers = answers
        self._holders = holders
        self._renew_s = renew_s
        self._ending: dict[tuple[str, int], tuple[Holder, Run, Run]] = {}
        self._work = asyncio.Event()

    async def renew(self) -> None:
        while True:
            await asyncio.sleep(self._renew_s)
            try:
                await self._renew_all()
            except Exception as error:
                tell(log, "runs cannot be kept now", error)

    async def _renew_all(self) -> None:
        """A run whose lease ran out may be in two hands, each with an attempt of its own."""
        held = {
            _attempt(run): (holder, run) for holder in self._holders() for run in holder.desk.taken
        }
        if not held:
            return
        renewed = await self._answers.renew([run for _, run in held.values()])
        for attempt in renewed.lost:
            _withdraw(*held[attempt])
        for run in renewed.kept:
            holder, taken = held[_attempt(run)]
            if run.cancelled_by or not holder.desk.holds(taken):
                self._ending[_attempt(run)] = (holder, taken, run)
                self._work.set()

    async def end(self) -> None:
        """End what was cancelled; give back again what was given back while it was renewed."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._ending:
                _, found = self._ending.popitem()
                try:
                    await self._end(*found)
                except Exception as error:
                    tell(log, "a run cannot be ended now", error)

    async def _end(self, holder: Holder, taken: Run, run: Run) -> None:
        if not holder.desk.holds(taken):
            await self._answers.release(run)
            return
        try:
            await self._answers.cancelled(run)
        except Unavailable:
            raise
        except HubError as error:
            log.debug("somebody else has ended it", run=run.id, reason=error.message)
        _withdraw(holder, taken)


def _attempt(run: Run) -> tuple[str, int]:
    return run.id, run.attempt


def _withdraw(holder: Holder, taken: Run) -> None:
    if holder.desk.drop(taken):
        holder.withdraw(taken.id)
