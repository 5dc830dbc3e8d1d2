"""Waiting for our own database: what a driver has said is not thrown away while it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from hub.core.errors import Unavailable

PATIENCE_S: Final = 60.0
STEP_S: Final = 0.2
T = TypeVar("T")


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer; Unavailable when there is none for `PATIENCE_S`."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + PATIENCE_S
    while True:
        try:
            return await ask()
        except Unavailable:
            if loop.time() > give_up:
                raise
            await asyncio.sleep(STEP_S)
