"""`roomhub up`: everything in one process on the embedded default."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from importlib.metadata import entry_points

from rich.console import Console

from hub.bootstrap import ADMIN, first_start, prepare_database
from hub.bus.embedded import NoEngine, run_valkey
from hub.cli.lock import Lock, Locked, hold_lock
from hub.cli.serving import Sidecar, open_listener, serve_gateway
from hub.core.errors import HubError, Unauthenticated
from hub.gateway.server import address_of
from hub.logs import set_up_logs
from hub.parts import Parts, open_parts
from hub.process import (
    CannotStart,
    check_folder,
    innermost,
    reach_redis,
    run_loop,
    stop_signals,
)
from hub.settings import Settings
from hub.store.migrate import UnusableDatabase
from hub.store.opening import is_postgres


def up(settings: Settings, console: Console, *, demo: bool) -> None:
    """Run until SIGINT or SIGTERM. Raises CannotStart."""
    set_up_logs(settings)
    check_folder(settings.data_dir)
    try:
        _up(settings, console, demo=demo)
    except* (HubError, CannotStart, Locked, NoEngine, UnusableDatabase) as group:
        raise CannotStart(str(innermost(group))) from None


def _up(settings: Settings, console: Console, *, demo: bool) -> None:
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(hold_lock(settings.data_dir))
        listener = stack.enter_context(contextlib.closing(open_listener(settings)))
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})  # --port 0
        with console.status("preparing the database"):
            prepare_database(settings)
        redis_url = settings.redis_url
        if redis_url is None:
            with console.status("starting the embedded Valkey"):
                redis_url = stack.enter_context(run_valkey(settings.data_dir))
        run_loop(_serve(settings, redis_url, listener, lock, console, demo=demo))


async def _serve(
    settings: Settings,
    redis_url: str,
    listener: socket.socket,
    lock: Lock,
    console: Console,
    *,
    demo: bool,
) -> None:
    stopping = asyncio.Event()
    with stop_signals(stopping):
        async with open_parts(settings, redis_url) as parts:
            await reach_redis(parts)
            first = await first_start(settings, parts.store, demo=demo)
            if not is_postgres(settings.database):  # nobody else can be working these runs
                await parts.store.runs.release_all()

            async def started() -> None:
                lock.tell(address_of(listener))
                await _announce(parts, listener, console, first=first)

            await serve_gateway(parts, listener, stopping, sidecars=_sidecars(), started=started)
            console.print("stopped", highlight=False)


def _sidecars() -> dict[str, Sidecar]:
    return {point.name: point.load() for point in entry_points(group="hub.sidecars")}


async def _announce(
    parts: Parts, listener: socket.socket, console: Console, *, first: bool
) -> None:
    key_file = parts.settings.data_dir / "admin.key"
    try:
        actor = await parts.access.authenticate(key_file.read_text().strip())
    except Unauthenticated:
        raise CannotStart(
            f"{key_file} is no key of this database; move it away, and a new one is made"
        ) from None
    ticket = await parts.access.create_ticket(actor, "login")
    address = address_of(listener)
    if first:
        console.print(f"first start: the key of {ADMIN} is in {key_file}", highlight=False)
    console.print(f"roomhub is at {address}", highlight=False, soft_wrap=True)
    link = f"{address}/#ticket={ticket['ticket']}"
    console.print(f"log in (once, within 10 minutes): {link}", highlight=False, soft_wrap=True)
    console.print("stop with Ctrl-C", highlight=False)
