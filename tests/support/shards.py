"""A cluster of Valkey servers on loopback, formed by commands: masters, and replicas of some."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from hub.bus.embedded import dies_with_parent, find_binary
from hub.bus.slots import SLOTS, Layout, read_layout, slot_of
from tests.support.sentinel import free_ports
from tests.support.tls import Door

NODE_TIMEOUT_MS: Final = 600
START_S: Final = 30.0


@dataclass
class ShardServer:
    """One server, which a test may kill, freeze and start again."""

    folder: Path
    port: int
    bus_port: int
    door: Door | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def told_port(self) -> int:
        """What others are told: of the door, if it has one."""
        return self.door.port if self.door is not None else self.port

    def start(self) -> None:
        options = {
            "port": self.port, "bind": "127.0.0.1", "save": "", "dir": self.folder,
            "cluster-enabled": "yes", "cluster-port": self.bus_port,
            "cluster-announce-port": self.told_port,
            "cluster-config-file": f"nodes-{self.port}.conf",
            "cluster-node-timeout": NODE_TIMEOUT_MS, "repl-diskless-sync-delay": 0,
            "cluster-replica-validity-factor": 0, "cluster-allow-replica-migration": "no",
        }  # fmt: skip
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        with (self.folder / f"{self.port}.log").open("ab") as told:
            self.process = subprocess.Popen(
                [str(find_binary()), *words], stdin=subprocess.DEVNULL, stdout=told,
                stderr=subprocess.STDOUT, preexec_fn=dies_with_parent(),
            )  # fmt: skip
        wait_for(lambda: bool(self.ask("PING")))

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Alive, connected, and silent."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask(self, *words: str | int) -> Any:
        """The answer to a command."""
        with Redis(port=self.port, socket_timeout=5, protocol=2) as client:
            pipe = client.pipeline(transaction=False)
            pipe.execute_command(*words)
            return pipe.execute()[0]

    @property
    def id(self) -> str:
        return str(self.ask("CLUSTER", "MYID").decode())

    def layout(self) -> Layout:
        return read_layout(self.ask("CLUSTER", "SLOTS"), ("127.0.0.1", self.port))

    def is_master(self) -> bool:
        return bool(self.ask("INFO", "replication")["role"] == "master")

    def replicates(self) -> bool:
        """Whether it is a replica in step with its master."""
        return bool(self.ask("INFO", "replication").get("master_link_status") == "up")


@dataclass
class ShardCluster:
    """The servers of a cluster; the first ones are masters in the beginning."""

    folder: Path
    certificate: Path | None = None
    servers: list[ShardServer] = field(default_factory=list)
    doors: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def url(self) -> str:
        """Names one server that is not there, and two that are."""
        (nowhere,) = free_ports(1)
        ports = [nowhere, *(server.told_port for server in self.servers[:2])]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        if self.certificate is not None:
            return f"rediss+cluster://{hosts}?ssl_ca_certs={self.certificate}"
        return f"redis+cluster://{hosts}"

    def add(self) -> ShardServer:
        """One more server, which knows nobody yet."""
        port, bus_port = free_ports(2)
        door = Door(self.certificate) if self.certificate is not None else None
        if door is not None:
            self.doors.enter_context(door.open_to(port))
        server = ShardServer(self.folder, port, bus_port, door)
        self.servers.append(server)
        server.start()
        return server

    def meet(self, server: ShardServer) -> None:
        """Have a server join the others; returns when all know each other."""
        server.ask("CLUSTER", "SET-CONFIG-EPOCH", 100 + self.servers.index(server))
        first = self.servers[0]
        if server is not first:
            first.ask("CLUSTER", "MEET", "127.0.0.1", server.port, server.bus_port)

    def master_of(self, name: str) -> ShardServer:
        """Who serves a key or channel, as the first that runs has it."""
        known = next(server for server in self.servers if server.runs).layout()
        address = known.table()[slot_of(name)]
        return next(s for s in self.servers if address is not None and s.told_port == address[1])

    def move(self, slot: int, giver: ShardServer, taker: ShardServer) -> None:
        """A slot with its keys, one by one, as `valkey-cli --cluster reshard` does it."""
        taker.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", giver.id)
        giver.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", taker.id)
        while keys := giver.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
            giver.ask("MIGRATE", "127.0.0.1", taker.port, "", 0, 5000, "KEYS", *keys)
        for server in (taker, giver):
            server.ask("CLUSTER", "SETSLOT", slot, "NODE", taker.id)

    def give(self, first: int, last: int, giver: ShardServer, taker: ShardServer) -> None:
        """Slots with their keys, all in one step, as Valkey does it by itself (since 9.0)."""
        giver.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", taker.id)
        wait_for(lambda: taker.layout().table()[first] == ("127.0.0.1", taker.port))

    @contextlib.contextmanager
    def covering_in_part(self) -> Iterator[None]:
        """They take commands even while some slots are served by nobody."""
        self._cover_fully("no")
        try:
            yield
        finally:
            self._cover_fully("yes")

    def _cover_fully(self, answer: str) -> None:
        for server in self.servers:
            if server.runs:
                server.ask("CONFIG", "SET", "cluster-require-full-coverage", answer)

    def met(self) -> bool:
        """Whether all who run know each other, and of every slot."""
        known = b"cluster_known_nodes:%d\r" % len(self.servers)
        return all(
            known in server.ask("CLUSTER", "INFO") and server.layout().covered == SLOTS
            for server in self.servers
            if server.runs
        )

    def well(self) -> bool:
        """Whether they also take commands, which the first two seconds of a server they do not."""
        running = [server for server in self.servers if server.runs]
        return self.met() and all(
            b"cluster_state:ok" in server.ask("CLUSTER", "INFO") for server in running
        )


@contextlib.contextmanager
def run_shards(
    folder: Path, masters: int = 3, replicas: int = 0, certificate: Path | None = None
) -> Iterator[ShardCluster]:
    """A cluster that is well; the first masters have a replica each, and all a door of TLS if there
    is a certificate. Call it from the main thread: servers die with it."""
    cluster = ShardCluster(folder, certificate)
    try:
        for number in range(masters + replicas):
            server = cluster.add()
            cluster.meet(server)
            if number < masters:
                first, last = (SLOTS * n // masters for n in (number, number + 1))
                server.ask("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
        wait_for(cluster.well)
        for master, replica in zip(cluster.servers, cluster.servers[masters:], strict=False):
            replica.ask("CLUSTER", "REPLICATE", master.id)
        for replica in cluster.servers[masters:]:
            wait_for(replica.replicates)
        yield cluster
    finally:
        cluster.doors.close()
        for server in cluster.servers:
            server.kill()


def wait_for(holds: Callable[[], bool]) -> None:
    """Return when it holds; servers that do not answer yet hold nothing."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(RedisError):
            if holds():
                return
        time.sleep(0.02)
    raise AssertionError("the servers of the cluster did not come so far")
