"""What a connection of a load sends, as bytes: the same for every generator."""

from __future__ import annotations

from hub.bench.frames import client_frame, handshake
from hub.bench.load import Load
from hub.bench.marks import split_at_stamp


def request(load: Load, conn: int) -> bytes:
    """What asks for a WebSocket; nothing on a raw connection."""
    if load.wire == "raw":
        return b""
    host, port = load.address(conn)
    headers = tuple(load.fill(line, conn) for line in load.headers)
    return handshake(f"{host}:{port}", load.fill(load.path, conn), headers)


def greeting(load: Load, conn: int) -> bytes:
    """What is sent as soon as the connection is open."""
    return b"".join(_framed(load, text, conn) for text in load.pre)


def message(load: Load, conn: int) -> tuple[bytes, bytes]:
    """What a publisher sends before and after the digits of the stamp; nothing on others."""
    if not load.publish or not load.leads(conn):
        return b"", b""
    return split_at_stamp(_framed(load, load.publish, conn))


def _framed(load: Load, text: str, conn: int) -> bytes:
    body = load.fill(text, conn).encode()
    return body if load.wire == "raw" else client_frame(body)
