"""The rim of what a process does in the background: an error that nobody expected is told, and the
work goes on. One room, or one answer, that cannot be dealt with must not take the rest with it.

What clients ask for is done in tasks of its own, which last as long as there is something to do: of
ten thousand clients nearly all are silent, and a task that waits weighs two kilobytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

import structlog

from hub.core.errors import Unavailable

AGAIN_S: Final = 1.0
log = structlog.get_logger("hub.background")


async def enduring(work: Callable[[], Awaitable[None]], again_s: float = AGAIN_S) -> None:
    """Work until it is done or cancelled; after an error it begins again, `again_s` later.

    A cancellation that nobody asked for is such an error: a library lets one of its own tasks' leak
    out, and a task group takes the end of ours for wanted.
    """
    while True:
        try:
            return await work()
        except Exception:
            log.exception("work in the background failed; it begins again", work=_name(work))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            log.exception("work in the background was cut off; it begins again", work=_name(work))
        await asyncio.sleep(again_s)


def _name(work: Callable[[], Awaitable[None]]) -> str:
    called = work.func if isinstance(work, partial) else work
    return getattr(called, "__qualname__", type(called).__name__)


def tell(told: Any, what: str, error: Exception) -> None:
    """Log what failed for now and will be tried again: what is expected of a database or of Redis
    in a line, anything else with where it came from."""
    if isinstance(error, Unavailable):
        told.warning(what, reason=error.message)
    else:
        told.error(what, exc_info=error)


class Outage:
    """Something that fails for a while: told once when it begins to and once when it is over."""

    def __init__(self, told: Any, what: str) -> None:
        self._told = told
        self._what = what
        self._lasts = False

    def saw(self, reason: object = None) -> None:
        """It failed for this reason; without one it went well."""
        if reason is not None and not self._lasts:
            self._told.warning(f"{self._what} now", reason=str(reason))
        elif reason is None and self._lasts:
            self._told.info(f"{self._what}: it is over")
        self._lasts = reason is not None


class Errands:
    """Work begun on the way. Whoever begins some sees to its errors."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    async def end(self) -> None:
        """Cancel what is under way."""
        for task in (tasks := tuple(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
