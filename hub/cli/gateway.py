"""`roomhub gateway`: one of several gateways on a shared database and Redis."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from rich.console import Console

from hub.bootstrap import first_start, prepare_database
from hub.cli.serving import open_listener, serve_gateway
from hub.core.errors import HubError
from hub.gateway.server import address_of
from hub.logs import set_up_logs
from hub.parts import open_parts
from hub.process import (
    CannotStart,
    check_folder,
    check_shared,
    innermost,
    reach_redis,
    run_loop,
    stop_signals,
)
from hub.settings import Settings
from hub.store.migrate import UnusableDatabase


def gateway(settings: Settings, console: Console) -> None:
    """Run until SIGINT or SIGTERM. Raises CannotStart."""
    set_up_logs(settings)
    try:
        redis_url = check_shared(settings, "gateway")
        if settings.secret_key is None:
            raise CannotStart("set HUB_SECRET_KEY to the same random text on every gateway")
        check_folder(settings.data_dir)
        with contextlib.closing(open_listener(settings)) as listener:
            prepare_database(settings)
            run_loop(_serve(settings, redis_url, listener, console))
    except* (HubError, CannotStart, UnusableDatabase) as group:
        raise CannotStart(innermost(group)) from None


async def _serve(
    settings: Settings, redis_url: str, listener: socket.socket, console: Console
) -> None:
    stopping = asyncio.Event()
    with stop_signals(stopping):
        async with open_parts(settings, redis_url) as parts:
            await reach_redis(parts)
            await first_start(settings, parts.store, demo=False, key_anew=False)

            async def started() -> None:
                address = address_of(listener)
                console.print(f"roomhub is at {address}", highlight=False, soft_wrap=True)

            await serve_gateway(parts, listener, stopping, sidecars={}, started=started)
