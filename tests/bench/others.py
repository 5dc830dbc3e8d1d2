"""More servers to be measured beside the hub: Socket.IO with Redis, NATS and uWebSockets. The last
two keep everything in memory and promise nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hub.bench.fanout import Shape
from hub.bench.load import Load
from tests.bench.peers import Missing, Other, Peer, load, open_redis
from tests.bench.processes import free_port, run_server

SOCKET_IO, NATS, UWEBSOCKETS = "Socket.IO + Redis", "NATS, in memory", "uWebSockets, in memory"
SERVERS = Path(__file__).parent / "servers"
PACKAGES = "socket.io @socket.io/redis-adapter redis @trufflesuite/uws-js-unofficial"


def _node(packages: Path | None, name: str) -> tuple[str, dict[str, str]]:
    """node, and the environment in which it finds a package. Raises Missing."""
    program = shutil.which("node")
    if program is None:
        raise Missing("node is not on PATH (Debian: apt-get install nodejs)")
    if packages is None or not (packages / "node_modules" / name).exists():
        raise Missing(f"{name} is not here: npm install {PACKAGES}, and give the folder as --npm")
    return program, {**os.environ, "NODE_PATH": str(packages.absolute() / "node_modules")}


@contextlib.contextmanager
def open_socket_io(packages: Path | None, folder: Path) -> Iterator[Peer]:
    program, env = _node(packages, "@socket.io/redis-adapter")
    with open_redis(folder) as (redis, redis_pid):
        port = free_port()
        command = [program, str(SERVERS / "socketio.js"), str(port), str(redis)]
        with run_server(command, port, folder / "socketio.log", env) as pid:
            yield Other(SOCKET_IO, lambda shape: _socket_io_load(port, shape), pid, redis_pid)


def _socket_io_load(port: int, shape: Shape) -> Load:
    return load(
        port, shape, '42["m","{payload}"]', pre=("40",), ready='40{"sid"',
        path="/socket.io/?EIO=4&transport=websocket&room={room}",
    )  # fmt: skip


@contextlib.contextmanager
def open_uwebsockets(packages: Path | None, folder: Path) -> Iterator[Peer]:
    program, env = _node(packages, "@trufflesuite/uws-js-unofficial")
    port = free_port()
    with run_server(
        [program, str(SERVERS / "uws.js"), str(port)], port, folder / "log", env
    ) as pid:
        yield Other(UWEBSOCKETS, lambda shape: load(port, shape, "{payload}", path="/{room}"), pid)


@contextlib.contextmanager
def open_nats(folder: Path) -> Iterator[Peer]:
    program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
    if program is None:
        raise Missing("nats-server is not on PATH (Debian: apt-get install nats-server)")
    port, plain, config = free_port(), free_port(), folder / "nats.conf"
    config.write_text(
        f"host: 127.0.0.1\nport: {plain}\n"
        f"websocket {{ host: 127.0.0.1, port: {port}, no_tls: true }}\n"
    )
    with run_server([program, "-c", str(config)], port, folder / "nats.log") as pid:
        yield Other(NATS, lambda shape: _nats_load(port, shape), pid)


def _nats_load(port: int, shape: Shape) -> Load:
    connect = 'CONNECT {"verbose":false,"pedantic":false}\r\n'
    return load(
        port, shape, f"PUB r.{{room}} {shape.size}\r\n{{payload}}\r\n",
        pre=(connect, "SUB r.{room} 1\r\nPING\r\n"), ready="PONG\r\n",
    )  # fmt: skip


def version(program: str, *arguments: str) -> str:
    """What a program says its version is; empty where it is not."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        return ""
    said = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).strip().partition("\n")[0]
