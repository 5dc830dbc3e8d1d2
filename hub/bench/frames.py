"""The client's side of a WebSocket (RFC 6455): handshake, masked frames, pings found in passing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_MASK: Final = bytes(4)  # a mask of zeros: the server does the same work, this side none
_PING: Final = 0x9
_PING_BYTES: Final = 4
PING: Final = bytes((0x80 | _PING, _PING_BYTES))  # as `websockets` sends them


def handshake(host: str, path: str, headers: tuple[str, ...]) -> bytes:
    """The request that asks for a WebSocket."""
    lines = (
        f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", *headers,
        "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


def client_frame(body: bytes, opcode: int = 0x1) -> bytes:
    """One unfragmented frame of up to 65 535 bytes."""
    size = len(body)
    head = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else bytes((0x80 | opcode, 0xFE))
    return head + (b"" if size < 126 else size.to_bytes(2, "big")) + _MASK + body


def pong_for(buffer: bytearray, end: int) -> bytes | None:
    """The answer to the last ping, when it lies whole in the buffer: that answers those before it
    (RFC 6455, 5.5.3). A ping that is seen twice is answered twice, which is allowed."""
    at = buffer.rfind(PING, 0, end)
    begin = at + len(PING)
    if at < 0 or begin + _PING_BYTES > end:
        return None
    return client_frame(bytes(buffer[begin : begin + _PING_BYTES]), 0xA)


def texts(stream: bytes) -> Iterator[bytes]:
    """The bodies of a server's text frames in what a connection brought; a frame that is cut off
    at the end is left out."""
    at = 0
    while at + 2 <= len(stream):
        opcode, size, begin = stream[at] & 0x0F, stream[at + 1], at + 2
        if size > 125:
            width = 2 if size == 126 else 8
            size = int.from_bytes(stream[begin : begin + width], "big")
            begin += width
        at = begin + size
        if opcode == 0x1 and at <= len(stream):
            yield stream[begin:at]
