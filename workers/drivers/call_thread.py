"""One call of a function in a thread of its own, and what it gives brought back to this loop."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog

from hub.core.errors import Backend

WAITING: Final = 16
"""Items a function may be ahead of whoever reads them; then it has to wait."""
log = structlog.get_logger("workers.callables")


class _Left(BaseException):
    """Nobody reads any more; not an Exception, so that nothing in between takes it for one."""


class _End:
    """The last item: the function has returned, or failed."""

    def __init__(self, error: Backend | None = None) -> None:
        self.error = error


class CallThread:
    """Made on the loop that reads; `run` belongs to the thread, the rest to that loop."""

    def __init__(self, name: str, ended: Callable[[], None]) -> None:
        """`ended` is called on the reader's loop once the thread is done."""
        self.name = name
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Any] = asyncio.Queue(WAITING)
        self._tell_ended = ended
        self._ended = asyncio.Event()
        self._left = False
        self._lock = threading.Lock()
        self._cancel: Callable[[], None] | None = None

    # On the reader's loop.

    async def items(self) -> AsyncGenerator[Any, None]:
        """What the function gives. Raises Backend when it fails."""
        while True:
            item = await self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def never_began(self) -> None:
        """No thread could be had for it."""
        self._note_end()

    async def leave(self, grace_s: float) -> None:
        """Read no more: an async function is cancelled, another is left to itself after that
        time."""
        with self._lock:
            self._left = True
            if self._cancel is not None:
                self._cancel()
        while not self._queue.empty():  # whoever waits for room may go on
            self._queue.get_nowait()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._ended.wait()
        if not self._ended.is_set():
            log.warning("a callable still runs after its run has ended", callable=self.name)

    async def _put(self, item: Any) -> None:
        if not self._left:
            await self._queue.put(item)

    def _note_end(self) -> None:
        self._ended.set()
        self._tell_ended()

    # In the thread.

    def run(self, function: Callable[[Any], Any], argument: Any) -> None:
        """Call it, give what it gives; never raises."""
        error = None
        try:
            self._call(function, argument)
        except Backend as failure:
            error = failure
        except _Left:
            pass
        except BaseException as failure:
            if not self._left:
                log.exception("a callable failed", callable=self.name)
            kind = type(failure).__name__
            error = Backend(f"the callable {self.name} failed: {kind}")
        with suppress(RuntimeError):  # the reader's loop is closed: the process ends
            self._pass_on(_End(error))
            self._loop.call_soon_threadsafe(self._note_end)

    def _call(self, function: Callable[[Any], Any], argument: Any) -> None:
        """No loop runs while a plain function does: it may well start one itself."""
        made = function(argument)
        if inspect.isawaitable(made) or hasattr(made, "__aiter__"):
            with asyncio.Runner() as runner:
                runner.run(self._give_awaited(made))
            return
        for item in made if isinstance(made, Iterator) else (made,):
            self._pass_on(item).result()

    async def _give_awaited(self, made: Any) -> None:
        self._let_cancel(made)
        try:
            if inspect.isawaitable(made):
                made = await made
            if hasattr(made, "__aiter__"):
                async for item in made:
                    await asyncio.wrap_future(self._pass_on(item))
            else:
                for item in made if isinstance(made, Iterator) else (made,):
                    await asyncio.wrap_future(self._pass_on(item))
        finally:
            with self._lock:
                self._cancel = None

    def _let_cancel(self, made: Any) -> None:
        """From now on `leave` cancels this task. Raises _Left when it came first."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        with self._lock:
            if not self._left:
                self._cancel = partial(_tell, loop, task.cancel)
                return
        if inspect.iscoroutine(made):
            made.close()
        raise _Left

    def _pass_on(self, item: Any) -> Future[None]:
        """Done when there was room for it. Raises _Left, and RuntimeError when the loop is gone."""
        if self._left and not isinstance(item, _End):
            raise _Left
        if self._loop.is_closed():
            raise RuntimeError("the loop that reads is closed")
        return asyncio.run_coroutine_threadsafe(self._put(item), self._loop)


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # that loop has just been closed
        loop.call_soon_threadsafe(what)
