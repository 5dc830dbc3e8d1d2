"""`roomhub workers`: the pool in a process of its own."""

from __future__ import annotations

import asyncio

from rich.console import Console

from hub.cli.serving import open_metrics_port
from hub.core.errors import HubError
from hub.logs import set_up_logs
from hub.metrics.figures import Figures
from hub.parts import open_parts
from hub.process import (
    CannotStart,
    check_shared,
    innermost,
    reach_redis,
    run_loop,
    stop_signals,
)
from hub.settings import Settings
from hub.store.migrate import UnusableDatabase
from workers.service import serve


def workers(settings: Settings, console: Console) -> None:
    """Run until SIGINT or SIGTERM. Raises CannotStart."""
    set_up_logs(settings)
    try:
        run_loop(_serve(settings, check_shared(settings, "workers"), console))
    except* (HubError, CannotStart, UnusableDatabase) as group:
        raise CannotStart(str(innermost(group))) from None


async def _serve(settings: Settings, redis_url: str, console: Console) -> None:
    stopping = asyncio.Event()
    with stop_signals(stopping):
        async with open_parts(settings, redis_url) as parts:
            await reach_redis(parts)
            await parts.store.ping()
            async with open_metrics_port(settings, Figures(parts)):
                console.print("workers are ready", highlight=False)
                await serve(parts, stopping)
