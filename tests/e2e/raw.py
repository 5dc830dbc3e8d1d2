"""HTTP and WebSocket by hand, for bytes that no well-behaved client would send."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tests.support.hub import HubProcess

TIMEOUT_S: Final = 15.0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9


@contextlib.contextmanager
def open_socket(hub: HubProcess) -> Iterator[socket.socket]:
    """A TCP connection to the hub."""
    parts = urlsplit(hub.address)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), TIMEOUT_S) as connection:
        yield connection


def exchange(hub: HubProcess, request: bytes) -> bytes:
    """What the hub answers to these bytes until it closes."""
    with open_socket(hub) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
            while part := connection.recv(65_536):
                answer += part
        return answer


@dataclass(slots=True)
class RawSocket:
    """A WebSocket (RFC 6455) that sends whatever frames it is told to."""

    connection: socket.socket
    status: int
    head: bytes
    _buffer: bytes = b""

    def send(self, payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> None:
        """One masked frame; a hub that has closed already is no error."""
        with contextlib.suppress(ConnectionError):
            self.connection.sendall(self.frame(payload, opcode, fin=fin))

    def frame(self, payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
        """The bytes of one masked frame."""
        return masked_frame(payload, opcode, fin=fin)

    def receive(self) -> tuple[int, bytes] | None:
        """The next frame as opcode and payload; None when the connection has ended."""
        start = self._take(2)
        if start is None:
            return None
        size = start[1] & 0x7F
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8) or b"", "big")
        payload = self._take(size)
        return None if payload is None else (start[0] & 0xF, payload)

    def texts_until_close(self) -> tuple[list[bytes], int | None]:
        """The text frames that came, and the code of the Close; None without one."""
        texts: list[bytes] = []
        while (found := self.receive()) is not None:
            opcode, payload = found
            if opcode == CLOSE:
                return texts, int.from_bytes(payload[:2], "big")
            if opcode == TEXT:
                texts.append(payload)
        return texts, None

    def _take(self, count: int) -> bytes | None:
        while len(self._buffer) < count:
            try:
                part = self.connection.recv(65_536)
            except ConnectionError:
                return None
            if not part:
                return None
            self._buffer += part
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


def masked_frame(
    payload: bytes, opcode: int = TEXT, *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """One frame as a client sends it; `rsv` are the three reserved bits."""
    size, bit = len(payload), masked << 7
    if size < 126:
        length = bytes([bit | size])
    elif size < 65_536:
        length = bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([bit | 127]) + size.to_bytes(8, "big")
    head = bytes([fin << 7 | rsv << 4 | opcode]) + length
    if not masked:
        return head + payload
    mask = os.urandom(4)
    spread = (mask * (size // 4 + 1))[:size]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(spread, "big")
    return head + mask + hidden.to_bytes(size, "big")


@contextlib.contextmanager
def open_raw(hub: HubProcess, *headers: bytes, query: str = "") -> Iterator[RawSocket]:
    """A handshake with these header lines, and the socket after it."""
    lines = [
        f"GET /v1/ws{query} HTTP/1.1".encode(),
        f"Host: {urlsplit(hub.address).netloc}".encode(),
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)),
        *headers,
    ]
    with open_socket(hub) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer and (part := connection.recv(65_536)):
            answer += part
        head, _, rest = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1]) if head else 0
        yield RawSocket(connection, status, head, rest)
