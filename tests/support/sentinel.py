"""A master, a replica of it and sentinels, as processes on loopback; behind TLS where asked for."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from hub.bus.embedded import dies_with_parent, find_binary
from tests.support.tls import Door

MASTER: Final = "mymaster"
START_S: Final = 20.0
_SENTINEL: Final = """port {port}
bind 127.0.0.1
dir "{folder}"
sentinel announce-ip 127.0.0.1
sentinel announce-port {door}
sentinel monitor mymaster 127.0.0.1 {master} {quorum}
sentinel down-after-milliseconds mymaster 500
sentinel failover-timeout mymaster 10000
"""


@dataclass
class Watched:
    """What sentinels watch; `url` names one first that is not there. A port is the one that others
    know: a door's, where there are doors."""

    url: str
    sentinels: dict[int, subprocess.Popen[bytes]]
    servers: dict[int, subprocess.Popen[bytes]]
    doors: list[Door]

    @property
    def sentinel(self) -> int:
        """The port of one that lives."""
        return next(port for port, child in self.sentinels.items() if child.poll() is None)

    def master(self) -> int:
        """The port of the master, as a sentinel has it."""
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
        _kill(self.servers[port])
        return port

    def kill_sentinel(self) -> None:
        """The one that lives and was named first."""
        _kill(self.sentinels[self.sentinel])

    def hand_over(self) -> int:
        """The planned way: the master lives on, as a replica; returns its port."""
        port = self.master()
        with Redis(port=self.sentinel) as client:
            client.execute_command("SENTINEL", "FAILOVER", MASTER)
        return port


def _kill(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


@contextlib.contextmanager
def run_watched(
    folder: Path, sentinels: int = 1, certificate: Path | None = None
) -> Iterator[Watched]:
    """Everything started, the replica in step with the master, the sentinels, of which a majority
    decides, known to each other. With a certificate, TLS is spoken to all of them. Call it from the
    main thread."""
    with contextlib.ExitStack() as stack:
        doors: list[Door] = []

        def door(port: int) -> int:
            if certificate is None:
                return port
            opened = Door(certificate)
            doors.append(opened)
            stack.enter_context(opened.open_to(port))
            return opened.port

        nowhere, *ports = free_ports(3 + sentinels)
        servers = {}
        for port in ports[:2]:
            known = door(port)
            servers[known] = stack.enter_context(_serving(folder, port, known))
        master, replica = servers
        with Redis(port=replica) as client:
            client.replicaof("127.0.0.1", str(master))
        wait_until(lambda: _role(replica).get("master_link_status") == "up")
        watching = {}
        for port in ports[2:]:
            known, quorum = door(port), sentinels // 2 + 1
            lines = _SENTINEL.format(
                port=port, door=known, folder=folder, master=master, quorum=quorum
            )
            watching[known] = stack.enter_context(_watching(folder, port, lines))
        for known in watching:
            wait_until(partial(_usable, known, sentinels - 1))
        scheme = "redis" if certificate is None else "rediss"
        hosts = ",".join(f"127.0.0.1:{port}" for port in (nowhere, *watching))
        yield Watched(f"{scheme}+sentinel://{hosts}/{MASTER}", watching, servers, doors)


@contextlib.contextmanager
def run_redis(folder: Path) -> Iterator[int]:
    """One server alone; its port. Call it from the main thread."""
    (port,) = free_ports(1)
    with _serving(folder, port, port):
        yield port


def _serving(
    folder: Path, port: int, known: int
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """A server that tells others to reach it at the port `known`."""
    return _running(
        folder, port, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir",
        str(folder), "--repl-diskless-sync-delay", "0", "--replica-announce-ip", "127.0.0.1",
        "--replica-announce-port", str(known),
    )  # fmt: skip


def _watching(
    folder: Path, port: int, lines: str
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    config = folder / f"sentinel-{port}.conf"
    config.write_text(lines)
    return _running(folder, port, str(config), "--sentinel")


@contextlib.contextmanager
def _running(folder: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{port}.log").open("wb") as told:
        child = subprocess.Popen(
            [str(find_binary()), *arguments], stdin=subprocess.DEVNULL, stdout=told,
            stderr=subprocess.STDOUT, preexec_fn=dies_with_parent(),
        )  # fmt: skip
    try:
        wait_until(lambda: _answers(port))
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


def _usable(sentinel: int, others: int) -> bool:
    """Whether the sentinel knows the others, and a replica to put in the master's place."""
    with Redis(port=sentinel) as client:
        found: Any = client.sentinel_slaves(MASTER)
        known: Any = client.sentinel_sentinels(MASTER)
    if len(known) < others:
        return False
    return any(not each["is_sdown"] and each["master-link-status"] == "ok" for each in found)


def wait_until(holds: Callable[[], bool], within_s: float = START_S) -> None:
    """As soon as the servers say so; AssertionError when they never do."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(RedisError):
            if holds():
                return
        time.sleep(0.02)
    raise AssertionError(f"the servers behind the sentinel did not get there in {within_s:.0f} s")


def free_ports(many: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(many)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
