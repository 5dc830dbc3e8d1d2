"""`roomhub up`: everything in one process on the embedded default."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import structlog
from rich.console import Console

from hub.bootstrap import ADMIN, first_start, prepare_database
from hub.bus.embedded import NoEngine, run_valkey
from hub.cli.lock import Lock, Locked, hold_lock
from hub.cli.logs import set_up_logs
from hub.core.errors import HubError
from hub.gateway.app import make_app
from hub.gateway.gateway import Gateway
from hub.gateway.server import Server, address_of, listen, make_server, stop_signals
from hub.parts import Parts, open_parts
from hub.settings import Settings, SettingsError
from hub.store.migrate import UnusableDatabase

Sidecar = Callable[[Parts, asyncio.Event], Awaitable[None]]
RESTART_S: Final = (0.1, 0.5, 2.0, 5.0)
log = structlog.get_logger("hub.up")


class CannotStart(Exception):
    """Why the hub does not start, in one line."""


def up(settings: Settings, console: Console, *, demo: bool) -> None:
    """Run until SIGINT or SIGTERM. Raises CannotStart."""
    set_up_logs(settings)
    _check_folder(settings.data_dir)
    try:
        _up(settings, console, demo=demo)
    except* (HubError, CannotStart, Locked, NoEngine, UnusableDatabase, SettingsError) as group:
        raise CannotStart(_first(group)) from None


def _up(settings: Settings, console: Console, *, demo: bool) -> None:
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(hold_lock(settings.data_dir))
        listener = stack.enter_context(contextlib.closing(_listen(settings)))
        with console.status("preparing the database"):
            prepare_database(settings)
        redis_url = settings.redis_url
        if redis_url is None:
            with console.status("starting the embedded Valkey"):
                redis_url = stack.enter_context(run_valkey(settings.data_dir))
        _run(serve(settings, redis_url, listener, lock, console, demo=demo))


def _first(group: BaseExceptionGroup[Any]) -> str:
    """The sentence of the innermost first error."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _run(work: Any) -> None:
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / ".write-test"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise CannotStart(
            f"the data directory {folder} cannot be written ({error.strerror}); "
            "set HUB_DATA_DIR to one that can"
        ) from None


def _listen(settings: Settings) -> socket.socket:
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"{where} is in use; choose another with --port") from None
        raise CannotStart(f"cannot listen on {where}: {error.strerror}") from None


async def serve(
    settings: Settings,
    redis_url: str,
    listener: socket.socket,
    lock: Lock,
    console: Console,
    *,
    demo: bool,
) -> None:
    """Gateway and sidecars until a signal; then drain, at most `drain_s`."""
    stopping = asyncio.Event()
    with stop_signals(stopping):
        async with open_parts(settings, redis_url) as parts:
            await _reach_redis(parts, settings)
            first = await first_start(settings, parts.store, demo=demo)
            await parts.store.runs.release_all()
            gateway = Gateway(parts)
            async with gateway.running(), asyncio.TaskGroup() as group:
                for name, sidecar in _sidecars():
                    group.create_task(_supervise(name, sidecar, parts, stopping))
                server = make_server(
                    make_app(gateway), heartbeat_s=settings.heartbeat_s, drain_s=settings.drain_s
                )
                serving = group.create_task(server.serve(sockets=[listener]))
                lock.tell(address_of(listener))
                await _announce(parts, listener, console, first=first)
                await stopping.wait()
                await _stop(gateway, server, serving, console)


async def _reach_redis(parts: Parts, settings: Settings) -> None:
    try:
        await parts.bus.ping()
    except HubError as error:
        where = "the embedded Valkey" if settings.redis_url is None else settings.redis_url
        raise CannotStart(f"{where}: {error.message}; check HUB_REDIS_URL") from None


def _sidecars() -> list[tuple[str, Sidecar]]:
    return [(point.name, point.load()) for point in entry_points(group="hub.sidecars")]


async def _supervise(name: str, sidecar: Sidecar, parts: Parts, stopping: asyncio.Event) -> None:
    """A sidecar that fails is started again; it never takes the gateway down."""
    failures = 0
    while not stopping.is_set():
        try:
            await sidecar(parts, stopping)
        except Exception:
            log.exception("a sidecar failed and is started again", sidecar=name)
        pause_s = RESTART_S[min(failures, len(RESTART_S) - 1)]
        failures += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause_s)


async def _announce(
    parts: Parts, listener: socket.socket, console: Console, *, first: bool
) -> None:
    key_file = parts.settings.data_dir / "admin.key"
    actor = await parts.access.authenticate(key_file.read_text().strip())
    ticket = await parts.access.create_ticket(actor, "login")
    address = address_of(listener)
    if first:
        console.print(f"First start: the key of {ADMIN} is in {key_file}", highlight=False)
    console.print(f"roomhub is at {address}", highlight=False, soft_wrap=True)
    console.print(
        f"log in (once, within 10 minutes): {address}/#ticket={ticket['ticket']}",
        highlight=False,
        soft_wrap=True,
    )
    console.print("stop with Ctrl-C", highlight=False)


async def _stop(
    gateway: Gateway, server: Server, serving: asyncio.Task[None], console: Console
) -> None:
    console.print("stopping …", highlight=False)
    await gateway.drain(2)
    server.should_exit = True
    await asyncio.wait({serving}, timeout=gateway.parts.settings.drain_s)
