"""Starting and stopping a gateway: what the commands that run one share."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import structlog

from hub.core.errors import HubError
from hub.gateway.app import make_app
from hub.gateway.gateway import Gateway
from hub.gateway.server import Server, listen, make_server
from hub.parts import Parts
from hub.settings import Settings

Sidecar = Callable[[Parts, asyncio.Event], Awaitable[None]]
RESTART_S: Final = (0.1, 0.5, 2.0, 5.0)
CLOSING_S: Final = 2.0
log = structlog.get_logger("hub.serving")


class CannotStart(Exception):
    """Why the hub does not start, in one line."""


def innermost(group: BaseExceptionGroup[Any]) -> str:
    """The sentence of the innermost first error."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one."""
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


def check_folder(folder: Path) -> None:
    """Make the data directory, for its owner alone; CannotStart when it cannot be written."""
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


def open_listener(settings: Settings) -> socket.socket:
    """The listening socket; CannotStart when the address cannot be had."""
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"{where} is in use; choose another with --port") from None
        raise CannotStart(f"cannot listen on {where}: {error.strerror}") from None


async def reach_redis(parts: Parts) -> None:
    """CannotStart when Redis does not answer."""
    try:
        await parts.bus.ping()
    except HubError as error:
        where = parts.settings.redis_url or "the embedded Valkey"
        raise CannotStart(f"{where}: {error.message}; check HUB_REDIS_URL") from None


async def serve_gateway(
    parts: Parts,
    listener: socket.socket,
    stopping: asyncio.Event,
    *,
    sidecars: dict[str, Sidecar],
    started: Callable[[], Awaitable[None]],
) -> None:
    """Serve until `stopping`, then drain, at most `drain_s`."""
    settings, gateway = parts.settings, Gateway(parts)
    async with gateway.running(), asyncio.TaskGroup() as group:
        for name, sidecar in sidecars.items():
            group.create_task(_supervise(name, sidecar, parts, stopping))
        server = make_server(
            make_app(gateway), heartbeat_s=settings.heartbeat_s, drain_s=settings.drain_s
        )
        serving = group.create_task(server.serve(sockets=[listener]))
        await started()
        await stopping.wait()
        await _stop(gateway, server, serving)


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


async def _stop(gateway: Gateway, server: Server, serving: asyncio.Task[None]) -> None:
    await gateway.drain(CLOSING_S)
    server.should_exit = True
    await asyncio.wait({serving}, timeout=gateway.parts.settings.drain_s)
