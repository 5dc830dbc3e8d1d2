"""WebSocket frames from server to client (RFC 6455 section 5.2), made once for everybody.

A server's frames are not masked, so the same bytes serve every connection and the bus as well.
What a client takes otherwise, MessagePack or compressed, is made of them once for all such clients.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

import msgpack
import orjson

TEXT: Final = 0x1
BINARY: Final = 0x2
WINDOW_BITS: Final = 12
COMPRESSED_FROM: Final = 128
_FIN: Final = 0x80
_RSV1: Final = 0x40
_OPCODE: Final = 0x0F
_LONG: Final = struct.Struct(">BBH")


def frame(body: bytes, opcode: int = TEXT) -> bytes:
    """One unfragmented, unmasked frame."""
    size = len(body)
    if size < 126:
        return bytes((_FIN | opcode, size)) + body
    if size < 65_536:
        return _LONG.pack(_FIN | opcode, 126, size) + body
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


def some_bodies(frames: bytes, at: int, size: int) -> tuple[list[bytes], int]:
    """Bodies of joined frames from `at` on, one at least and then while they are less than `size`
    bytes; and where the next begins."""
    found, end = [], at
    while end < len(frames) and (end == at or end - at < size):
        begin, end = _span(frames, end)
        found.append(frames[begin:end])
    return found, end


def without_first(frames: bytes, count: int) -> bytes:
    """Joined frames without the first `count` of them."""
    at = 0
    for _ in range(count):
        _, at = _span(frames, at)
    return frames[at:]


def packed(frames: bytes) -> bytes:
    """Joined text frames of JSON as binary frames of MessagePack, one for one."""
    return b"".join([frame(msgpack.packb(orjson.loads(body)), BINARY) for body in bodies(frames)])


def deflated(frames: bytes) -> bytes:
    """Joined frames, each compressed on its own (RFC 7692) where that makes it smaller."""
    made, at = [], 0
    while at < len(frames):
        begin, end = _span(frames, at)
        body = frames[begin:end]
        small = _deflate(body) if len(body) >= COMPRESSED_FROM else body
        whole = frames[at:end]
        made.append(frame(small, _RSV1 | whole[0] & _OPCODE) if len(small) < len(body) else whole)
        at = end
    return b"".join(made)


def _deflate(body: bytes) -> bytes:
    maker = zlib.compressobj(wbits=-WINDOW_BITS, memLevel=5)
    return (maker.compress(body) + maker.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Coding(NamedTuple):
    """How a client takes frames."""

    packed: bool = False
    deflated: bool = False

    def encode(self, frames: bytes) -> bytes:
        """Joined text frames of JSON as this client takes them."""
        made = packed(frames) if self.packed else frames
        return deflated(made) if self.deflated else made


PLAIN: Final = Coding()
