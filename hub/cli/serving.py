"""Starting and stopping a gateway: what the commands that run one share."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

import structlog

from hub.gateway.app import make_app, make_metrics_app
from hub.gateway.bounds import Bounds
from hub.gateway.gateway import Gateway
from hub.gateway.metrics import figures_of
from hub.gateway.server import Server, address_of, listen, make_server
from hub.metrics.figures import Figures
from hub.metrics.siblings import Siblings
from hub.parts import Parts
from hub.process import CannotStart
from hub.settings import Settings

Sidecar = Callable[[Parts, asyncio.Event], Awaitable[None]]
RESTART_S: Final = (0.1, 0.5, 2.0, 5.0)
CLOSING_S: Final = 2.0
HTTP_SOCKETS: Final = 2_000
log = structlog.get_logger("hub.serving")


def open_listener(settings: Settings) -> socket.socket:
    """The listening socket; CannotStart when the address cannot be had."""
    return _listen(settings.host, settings.port, shared=False)


@contextlib.contextmanager
def open_listeners(settings: Settings, count: int) -> Iterator[list[socket.socket]]:
    """So many listening sockets on one address. CannotStart when it cannot be had."""
    with contextlib.ExitStack() as stack:
        port, listeners = settings.port, []
        for _ in range(count):
            listener = _listen(settings.host, port, shared=count > 1)
            listeners.append(stack.enter_context(contextlib.closing(listener)))
            port = listener.getsockname()[1]
        yield listeners


def _listen(host: str, port: int, *, shared: bool, choose: str = "--port") -> socket.socket:
    try:
        return listen(host, port, shared=shared)
    except OSError as error:
        where = f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"{where} is in use; choose another with {choose}") from None
        raise CannotStart(f"cannot listen on {where}: {error.strerror}") from None


@contextlib.asynccontextmanager
async def open_metrics_port(
    settings: Settings, figures: Figures, *, shared: bool = False
) -> AsyncIterator[None]:
    """Serve `/metrics` on a port of its own while the context lasts, if one is set. CannotStart
    when it cannot be had."""
    if settings.metrics_port is None:
        yield
        return
    host, port = settings.host, settings.metrics_port
    listening = _listen(host, port, shared=shared, choose="HUB_METRICS_PORT")
    with contextlib.closing(listening) as listener:
        app = make_metrics_app(figures, settings.metrics_token)
        server = make_server(app, Bounds(drain_s=1))
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            log.info("metrics are served", address=f"{address_of(listener)}/metrics")
            try:
                yield
            finally:
                server.should_exit = True


@contextlib.asynccontextmanager
async def _telling(figures: Figures, siblings: Siblings | None) -> AsyncIterator[None]:
    if siblings is None:
        yield
        return
    async with siblings.telling(figures.own):
        yield


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        heartbeat_s=settings.heartbeat_s,
        drain_s=settings.drain_s,
        head_s=settings.head_s,
        body_s=settings.body_s,
        stalled_s=settings.stalled_s,
        sockets=settings.max_connections + HTTP_SOCKETS,
        deflate=settings.ws_deflate,
    )


async def serve_gateway(
    parts: Parts,
    listener: socket.socket,
    stopping: asyncio.Event,
    *,
    sidecars: dict[str, Sidecar],
    started: Callable[[], Awaitable[None]],
    siblings: Siblings | None = None,
) -> None:
    """Serve until `stopping`, then drain, at most `drain_s`. `siblings` are the processes that
    listen on the same port."""
    settings, gateway = parts.settings, Gateway(parts)
    figures = figures_of(gateway, siblings)
    async with (
        gateway.running(),
        _telling(figures, siblings),
        open_metrics_port(settings, figures, shared=siblings is not None),
        asyncio.TaskGroup() as group,
    ):
        for name, sidecar in sidecars.items():
            group.create_task(_supervise(name, sidecar, parts, stopping))
        app, bounds = make_app(gateway, figures), _bounds(settings)
        server = make_server(app, bounds, gateway.pressure, gateway.counts, gateway.apart)
        serving = group.create_task(server.serve(sockets=[listener]))
        await started()
        await stopping.wait()
        await _stop(gateway, server, serving)


async def _supervise(name: str, sidecar: Sidecar, parts: Parts, stopping: asyncio.Event) -> None:
    """A sidecar that fails is started again; it never takes the gateway down, unless the settings
    keep it from ever starting."""
    failures = 0
    while not stopping.is_set():
        try:
            await sidecar(parts, stopping)
        except CannotStart:
            raise
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
