"""Sockets of clients that mean harm: they send what they like and read when they like."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson

from tests.e2e.raw import masked_frame

LISTENING: Final = "0A"
ESTABLISHED: Final = "01"
_HANDSHAKE: Final = (
    "GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)


@dataclass(eq=False)
class Peer:
    """One TCP connection to a hub."""

    address: str
    connection: socket.socket

    def send(self, data: bytes, within_s: float = 5.0) -> int:
        """How many bytes the hub took before it cut the connection or the time was up."""
        view, deadline = memoryview(data), time.monotonic() + within_s
        with contextlib.suppress(OSError):
            while view and (left := deadline - time.monotonic()) > 0:
                if self._ready(select.POLLOUT, left):
                    view = view[self.connection.send(view[:262_144]) :]
        return len(data) - len(view)

    def upgrade(self, key: str | None = None, *lines: str) -> None:
        """Become a WebSocket; everything after the head is left unread."""
        more = [*lines, *([f"Authorization: Bearer {key}"] if key else [])]
        self.send(handshake(self.address, *more))
        self.connection.settimeout(20)
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.connection.recv(1)
            assert part, f"no handshake: {head!r}"
            head += part
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.connection.setblocking(False)

    def follow(self, room_id: str, since: int | None = None) -> None:
        """Subscribe, and read nothing of what comes."""
        command: dict[str, object] = {"id": 1, "type": "subscribe", "room_id": room_id}
        self.send(masked_frame(orjson.dumps(command | ({} if since is None else {"since": since}))))

    @property
    def port(self) -> int:
        """Its own port, by which the hub's end is known."""
        return int(self.connection.getsockname()[1])

    def read(self, within_s: float = 1.0) -> bytes:
        """What came, up to the end of the connection or of the time; with 0 what is there now."""
        got, deadline = self._part(within_s), time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0 and (part := self._part(left)):
            got += part
        return got

    def read_until(self, *ends: bytes, within_s: float = 20.0) -> bytes:
        """What came, up to one of these or to the end of the connection or of the time."""
        got, deadline = b"", time.monotonic() + within_s
        longest = max(map(len, ends))
        while (left := deadline - time.monotonic()) > 0:
            part = self._part(left)
            got += part
            if not part or any(end in got[-len(part) - longest :] for end in ends):
                break
        return got

    def _ready(self, event: int, within_s: float) -> bool:
        poller = select.poll()
        poller.register(self.connection, event)
        return bool(poller.poll(within_s * 1_000))

    def _part(self, within_s: float) -> bytes:
        with contextlib.suppress(OSError):
            if self._ready(select.POLLIN, within_s):
                return self.connection.recv(65_536)
        return b""


def handshake(address: str, *lines: str) -> bytes:
    """The head that asks for a WebSocket."""
    more = "".join(f"{line}\r\n" for line in lines)
    return _HANDSHAKE.format(host=urlsplit(address).netloc, more=more).encode()


@contextlib.contextmanager
def open_peers(address: str, count: int, receive_bytes: int = 4_096) -> Iterator[list[Peer]]:
    """So many connections; the kernel takes little for them."""
    where = urlsplit(address)
    assert where.hostname is not None
    with contextlib.ExitStack() as stack:
        peers = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            connection.settimeout(20)
            connection.connect((where.hostname, where.port))
            connection.setblocking(False)
            peers.append(Peer(address, connection))
        yield peers


def held_ports(address: str) -> set[int]:
    """The ports of the peers whose connection a process of the hub still holds, or has yet to take.
    A peer cannot tell: it hears nothing when the hub's kernel gives it up."""
    own, held = urlsplit(address).port, set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_, inode = line.split()[:10]
        taken = inode != "0" or state == ESTABLISHED  # nobody has one that waits to be accepted
        if int(local.split(":")[1], 16) == own and state != LISTENING and taken:
            held.add(int(remote.split(":")[1], 16))
    return held


def seconds_until_closed(peers: list[Peer], within_s: float) -> list[float]:
    """For each how long the hub held it from now on; `within_s` for those that it still does."""
    began, left, took = time.monotonic(), {peer.port for peer in peers}, []
    while left and (now := time.monotonic() - began) < within_s:
        held = left & held_ports(peers[0].address)
        took += [now] * (len(left) - len(held))
        left = held
        time.sleep(0.05)
    return took + [within_s] * len(left)
