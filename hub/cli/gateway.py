"""`roomhub gateway`: one of several gateways on a shared database and Redis."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

from rich.console import Console

from hub.bootstrap import first_start, prepare_database
from hub.cli.processes import run_processes
from hub.cli.serving import open_listeners, serve_gateway
from hub.core.errors import HubError
from hub.gateway.server import address_of
from hub.logs import set_up_logs
from hub.metrics.siblings import Siblings, open_family
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


def gateway(settings: Settings, console: Console, processes: int = 1) -> int:
    """Run until SIGINT or SIGTERM; the exit status. Raises CannotStart."""
    set_up_logs(settings)
    with _in_one_line():
        redis_url = check_shared(settings, "gateway")
        if settings.metrics_port == settings.port != 0:  # processes that share it would share both
            raise CannotStart("HUB_METRICS_PORT must be another port than --port")
        check_folder(settings.data_dir)
        with open_listeners(settings, processes) as listeners:
            prepare_database(settings)
            if processes == 1:
                run_loop(_serve(settings, redis_url, listeners[0], console))
                return 0
            run_loop(_prepare(settings, redis_url))
            _tell(console, f"{address_of(listeners[0])} in {processes} processes")

            with _open_family(processes) as family:

                def serve(number: int) -> None:
                    siblings = Siblings(number, family)
                    with _in_one_line():
                        run_loop(_serve(settings, redis_url, listeners[number], siblings=siblings))

                return run_processes(processes, serve)


@contextlib.contextmanager
def _open_family(count: int) -> Iterator[list[socket.socket]]:
    try:
        with open_family(count) as listeners:
            yield listeners
    except OSError as error:
        raise CannotStart(f"no sockets can be made in TMPDIR: {error.strerror or error}") from None


@contextlib.contextmanager
def _in_one_line() -> Iterator[None]:
    """Whatever keeps a gateway from starting as CannotStart."""
    try:
        yield
    except* (HubError, CannotStart, UnusableDatabase) as group:
        raise CannotStart(str(innermost(group))) from None


def _tell(console: Console, address: str) -> None:
    console.print(f"roomhub is at {address}", highlight=False, soft_wrap=True)


async def _prepare(settings: Settings, redis_url: str) -> None:
    """What is to be done once, before processes do the same."""
    async with open_parts(settings, redis_url) as parts:
        await reach_redis(parts)
        await first_start(settings, parts.store, demo=False, key_anew=False)


async def _serve(
    settings: Settings,
    redis_url: str,
    listener: socket.socket,
    console: Console | None = None,
    siblings: Siblings | None = None,
) -> None:
    stopping = asyncio.Event()
    with stop_signals(stopping):
        async with open_parts(settings, redis_url) as parts:
            await reach_redis(parts)
            await first_start(settings, parts.store, demo=False, key_anew=False)

            async def started() -> None:
                if console is not None:
                    _tell(console, address_of(listener))

            await serve_gateway(
                parts, listener, stopping, sidecars={}, started=started, siblings=siblings
            )
