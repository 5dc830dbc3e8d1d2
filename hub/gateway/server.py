"""uvicorn around the application, with signals and sockets in our hands."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from hub.gateway.protocol import HubSocket

_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)
STALLED_MS = 20_000
SEND_BUFFER = 131_072
BACKLOG = 4_096


class Server(uvicorn.Server):
    """A server that leaves signals to its owner; set `should_exit` to stop it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def make_server(app: ASGIApp, *, heartbeat_s: float, drain_s: float) -> Server:
    """A server for the application. h11 parses HTTP because it bounds headers."""
    return Server(
        uvicorn.Config(
            app,
            http="h11",
            ws=HubSocket,
            ws_max_size=65_536,
            ws_ping_interval=heartbeat_s,
            ws_ping_timeout=heartbeat_s,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(drain_s)),
            backlog=BACKLOG,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; OSError when the address cannot be had.

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
