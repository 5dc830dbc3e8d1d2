"""The `callable` driver: a Python function of the operator's, named in the settings.

    [callables]
    weather = "acme.bots:weather"

`weather(invocation)` may be anything that gives text: a function or an async function that
returns a `str` (or None, to be silent), a generator or an async generator of `str` and of parts of
`hub.core.invoking`. Whatever it is, it runs in a thread with an event loop of its own, so that it
may block. It shares the interpreter: code that holds the GIL for long still slows down the hub.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial, reduce
from typing import Any

from hub.core.chat import Finish, TextDelta
from hub.core.errors import Backend
from hub.core.invoking import Ending, Invocation, Part
from hub.core.text import CONTENT_BYTES
from workers.drivers.call_thread import CallThread
from workers.drivers.reply_text import clean, cut_to

THREADS = 8
GRACE_S = 0.5
Function = Callable[[Invocation], Any]


class CallableDriver:
    """`Driver` for `{"kind": "callable", "name": …}`.

    A callable has `threads` threads at most; one more invocation waits for one of them. So a
    callable that blocks for ever harms none but itself. An async callable is cancelled when its
    run is; one that blocks is left behind, its result dropped, and its thread is free again when
    it returns. No thread keeps the process from ending.
    """

    def __init__(self, callables: Mapping[str, str], *, threads: int = THREADS) -> None:
        """Imports them all; ValueError names the first entry that is wrong."""
        self._functions = {name: _load(name, entry) for name, entry in callables.items()}
        self._threads = {name: asyncio.Semaphore(threads) for name in callables}

    def invoke(self, invocation: Invocation) -> AbstractAsyncContextManager[AsyncIterator[Part]]:
        return self._opened(invocation)

    async def abandon(self, invocation: Invocation) -> None:
        """A callable that waits has returned already."""

    @asynccontextmanager
    async def _opened(self, invocation: Invocation) -> AsyncIterator[AsyncIterator[Part]]:
        name = str(invocation.driver.get("name"))
        function = self._functions.get(name)
        if function is None:
            raise Backend(f"there is no callable {name} in the hub's settings")
        free = self._threads[name]
        await free.acquire()
        call = CallThread(name, free.release)
        _start(call, function, invocation)
        parts = _parts(name, call)
        try:
            yield parts
        finally:
            await parts.aclose()
            await call.leave(GRACE_S)


def _start(call: CallThread, function: Function, invocation: Invocation) -> None:
    run = partial(contextvars.copy_context().run, call.run, function, invocation)
    thread = threading.Thread(target=run, name=f"callable {call.name}", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        call.never_began()
        raise Backend("the hub has no thread left for a callable", transient=True) from None


async def _parts(name: str, call: CallThread) -> AsyncGenerator[Part, None]:
    """What the thread gives, as parts: checked, bounded, with an ending."""
    room = CONTENT_BYTES
    async for item in call.items():
        part = _part(name, item)
        if isinstance(part, TextDelta):
            text = cut_to(part.text, room)
            room -= len(text.encode())
            if text:
                yield TextDelta(text)
            if len(text) < len(part.text):
                yield Finish("length")
                return
        elif part is not None:
            yield part
            if isinstance(part, Ending):
                return
    yield Finish("stop")


def _part(name: str, item: Any) -> Part | None:
    if item is None:
        return None
    if isinstance(item, str):
        return TextDelta(clean(item))
    if isinstance(item, TextDelta):
        return TextDelta(clean(item.text))
    if isinstance(item, Part):
        return item
    kind = type(item).__name__
    raise Backend(f"the callable {name} gave {kind}, which is neither text nor a part of a reply")


def _load(name: str, entry: str) -> Function:
    module, colon, path = entry.partition(":")
    if not (module and colon and path):
        raise ValueError(f'callables.{name}: must be "module:function", was {entry!r}')
    try:
        found: Any = reduce(getattr, path.split("."), importlib.import_module(module))
    except AttributeError:
        raise ValueError(f"callables.{name}: {module} has no {path}") from None
    except Exception as error:
        kind = type(error).__name__
        raise ValueError(
            f"callables.{name}: {module} cannot be imported: {kind}: {error}"
        ) from error
    if not callable(found):
        raise ValueError(f"callables.{name}: {entry} is not a function")
    function: Function = found
    return function
