"""uvicorn around the application, with signals and sockets in our hands."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from hub.gateway.bounds import PENDING_TOTAL_BYTES, Bounds, SharedState
from hub.gateway.counts import Counts
from hub.gateway.crowd import Apart
from hub.gateway.http import HubHttp
from hub.gateway.pressure import Pressure
from hub.gateway.protocol import HubSocket

_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)
STALLED_MS = 20_000
# Longer than clients and proxies keep an idle connection, or their next request meets our close.
KEEP_ALIVE_S = 75
SEND_BUFFER = 131_072
BACKLOG = 4_096


class Server(uvicorn.Server):
    """A server that leaves signals to its owner; set `should_exit` to stop it."""

    def __init__(self, config: uvicorn.Config, state: SharedState) -> None:
        super().__init__(config)
        self.server_state = state

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def make_server(
    app: ASGIApp,
    bounds: Bounds,
    pressure: Pressure | None = None,
    counts: Counts | None = None,
    apart: Apart | None = None,
) -> Server:
    """A server for the application. h11 parses HTTP because it bounds headers."""
    pressure = pressure or Pressure(PENDING_TOTAL_BYTES)
    state = SharedState(bounds, pressure, counts or Counts(), apart or Apart())
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=HubHttp,
        ws=HubSocket,
        ws_ping_interval=bounds.heartbeat_s,
        ws_ping_timeout=bounds.heartbeat_s,
        ws_per_message_deflate=False,  # ours is another: see deflate.py
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, int(bounds.drain_s)),
        backlog=BACKLOG,
    )
    return Server(config, state)


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; OSError when the address cannot be had. Among `shared` ones on the same
    port the kernel spreads those who come.

    Small send buffers, so that a slow client is noticed here and not hidden by the kernel; and a
    peer that stopped answering is given up by the kernel after a while.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if _TCP_USER_TIMEOUT is not None:
            listener.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, STALLED_MS)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket) -> str:
    """The http address of a listening socket."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"
