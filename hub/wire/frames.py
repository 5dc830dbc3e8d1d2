"""WebSocket frames from server to client (RFC 6455 section 5.2), made once for everybody.

A server's frames are not masked, so the same bytes serve every connection and the bus as well.
"""

from __future__ import annotations

from typing import Final

import msgpack
import orjson

TEXT: Final = 0x1
BINARY: Final = 0x2
_FIN: Final = 0x80


def frame(body: bytes, opcode: int = TEXT) -> bytes:
    """One unfragmented, unmasked frame."""
    size = len(body)
    if size < 126:
        return bytes((_FIN | opcode, size)) + body
    if size < 65_536:
        return bytes((_FIN | opcode, 126)) + size.to_bytes(2, "big") + body
    return bytes((_FIN | opcode, 127)) + size.to_bytes(8, "big") + body


def _span(frames: bytes, start: int) -> tuple[int, int]:
    """Where the body of the frame at `start` begins and ends."""
    size = frames[start + 1]
    if size < 126:
        return start + 2, start + 2 + size
    width = 2 if size == 126 else 8
    begin = start + 2 + width
    return begin, begin + int.from_bytes(frames[start + 2 : begin], "big")


def bodies(frames: bytes) -> list[bytes]:
    """The bodies of frames that `frame` made and somebody joined."""
    found, at = [], 0
    while at < len(frames):
        begin, at = _span(frames, at)
        found.append(frames[begin:at])
    return found


def without_first(frames: bytes, count: int) -> bytes:
    """Joined frames without the first `count` of them."""
    at = 0
    for _ in range(count):
        _, at = _span(frames, at)
    return frames[at:]


def packed(frames: bytes) -> bytes:
    """Joined text frames of JSON as binary frames of MessagePack, one for one."""
    return b"".join([frame(msgpack.packb(orjson.loads(body)), BINARY) for body in bodies(frames)])
