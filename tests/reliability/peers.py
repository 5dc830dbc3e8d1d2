"""Sockets of clients that mean harm: they send what they like and read when they like."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import orjson

from tests.e2e.raw import masked_frame

ESTABLISHED: Final = 1
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
                if select.select((), (self.connection,), (), left)[1]:
                    view = view[self.connection.send(view[:262_144]) :]
        return len(data) - len(view)

    def upgrade(self, key: str | None = None, *lines: str) -> None:
        """Become a WebSocket; everything after the head is left unread."""
        more = [*lines, *([f"Authorization: Bearer {key}"] if key else [])]
        host = urlsplit(self.address).netloc
        self.send(_HANDSHAKE.format(host=host, more="".join(f"{m}\r\n" for m in more)).encode())
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
    def is_open(self) -> bool:
        """Whether the hub has neither ended nor cut the connection, without reading from it."""
        info = self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return bool(struct.unpack("B", info)[0] == ESTABLISHED)

    def read(self, within_s: float = 1.0) -> bytes:
        """What came, up to the end of the connection or of the time."""
        got, deadline = b"", time.monotonic() + within_s
        with contextlib.suppress(OSError):
            while (left := deadline - time.monotonic()) > 0:
                if not select.select((self.connection,), (), (), left)[0]:
                    break
                if not (part := self.connection.recv(65_536)):
                    break
                got += part
        return got


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


def seconds_until_closed(peers: list[Peer], within_s: float) -> list[float]:
    """For each how long it stayed open from now on; `within_s` for those that still are."""
    began, open_peers_, took = time.monotonic(), list(peers), []
    while open_peers_ and (now := time.monotonic() - began) < within_s:
        gone = [peer for peer in open_peers_ if not peer.is_open]
        took += [now] * len(gone)
        open_peers_ = [peer for peer in open_peers_ if peer not in gone]
        time.sleep(0.02)
    return took + [within_s] * len(open_peers_)
