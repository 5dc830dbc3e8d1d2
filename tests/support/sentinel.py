"""A master, a replica of it and one sentinel, as processes on loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from hub.bus.embedded import dies_with_parent, find_binary

MASTER: Final = "mymaster"
START_S: Final = 20.0
_SENTINEL: Final = """port {port}
bind 127.0.0.1
dir "{folder}"
sentinel monitor mymaster 127.0.0.1 {master} 1
sentinel down-after-milliseconds mymaster 500
sentinel failover-timeout mymaster 10000
"""


@dataclass
class Watched:
    """What a sentinel watches; `url` names a sentinel first that is not there."""

    url: str
    sentinel: int
    servers: dict[int, subprocess.Popen[bytes]]

    def master(self) -> int:
        """The port of the master, as the sentinel has it."""
        with Redis(port=self.sentinel) as client:
            found: Any = client.sentinel_get_master_addr_by_name(MASTER)
        return int(found[1])

    def settled(self, old: int) -> bool:
        """Whether another is the master, and the old one has ended or follows it."""
        if self.master() == old:
            return False
        return self.servers[old].poll() is not None or "slave" == _role(old)["role"]

    def kill_master(self) -> int:
        """kill -9; returns its port."""
        port = self.master()
        self.servers[port].kill()
        self.servers[port].wait()
        return port

    def hand_over(self) -> int:
        """The planned way: the master lives on, as a replica; returns its port."""
        port = self.master()
        with Redis(port=self.sentinel) as client:
            client.execute_command("SENTINEL", "FAILOVER", MASTER)
        return port


@contextlib.contextmanager
def run_watched(folder: Path) -> Iterator[Watched]:
    """Everything started, the replica in step with the master. Call it from the main thread."""
    nowhere, sentinel, *ports = free_ports(4)
    with contextlib.ExitStack() as stack:
        servers = {port: stack.enter_context(_running(folder, port)) for port in ports}
        with Redis(port=ports[1]) as replica:
            replica.replicaof("127.0.0.1", str(ports[0]))
        _wait(lambda: _role(ports[1]).get("master_link_status") == "up")
        config = folder / "sentinel.conf"
        config.write_text(_SENTINEL.format(port=sentinel, folder=folder, master=ports[0]))
        stack.enter_context(_running(folder, sentinel, str(config), "--sentinel"))
        _wait(lambda: _usable(sentinel))
        url = f"redis+sentinel://127.0.0.1:{nowhere},127.0.0.1:{sentinel}/{MASTER}"
        yield Watched(url, sentinel, servers)


@contextlib.contextmanager
def _running(folder: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    data = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
            "--repl-diskless-sync-delay", "0")  # fmt: skip
    with (folder / f"{port}.log").open("wb") as told:
        child = subprocess.Popen(
            [str(find_binary()), *(arguments or data)], stdin=subprocess.DEVNULL, stdout=told,
            stderr=subprocess.STDOUT, preexec_fn=dies_with_parent(),
        )  # fmt: skip
    try:
        _wait(lambda: _answers(port))
        yield child
    finally:
        child.kill()
        child.wait()


def _answers(port: int) -> bool:
    with Redis(port=port) as client:
        return bool(client.ping())


def _role(port: int) -> dict[str, Any]:
    with Redis(port=port) as client:
        found: Any = client.info("replication")
    return dict(found)


def _usable(sentinel: int) -> bool:
    """Whether the sentinel has a replica to put in the master's place."""
    with Redis(port=sentinel) as client:
        found: Any = client.sentinel_slaves(MASTER)
    return any(not each["is_sdown"] and each["master-link-status"] == "ok" for each in found)


def _wait(holds: Any) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(RedisError):
            if holds():
                return
        time.sleep(0.02)
    raise AssertionError("the servers behind the sentinel did not start")


def free_ports(many: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(many)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
