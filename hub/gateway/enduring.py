"""The rim of what a gateway does in the background: an error that nobody expected is told, and the
work goes on. One room that cannot be served must not take the others with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from hub.core.errors import Unavailable

AGAIN_S: Final = 1.0
log = structlog.get_logger("hub.gateway")


async def enduring(work: Callable[[], Awaitable[None]], again_s: float = AGAIN_S) -> None:
    """Work until it is done or cancelled; after an error it begins again, `again_s` later."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("work in the background failed; it begins again", work=repr(work))
            await asyncio.sleep(again_s)


def tell(told: Any, what: str, error: Exception) -> None:
    """Log what failed for now and will be tried again: what is expected of a database or of Redis
    in a line, anything else with where it came from."""
    if isinstance(error, Unavailable):
        told.warning(what, reason=error.message)
    else:
        told.error(what, exc_info=error)
