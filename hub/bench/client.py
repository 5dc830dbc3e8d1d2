"""One connection of a load, and how far it is."""

from __future__ import annotations

import socket

CONNECTING, ASKED, OPEN, GONE = range(4)


class Client:
    """One connection."""

    __slots__ = (
        "attended", "fills", "got", "index", "inflight", "kept", "leads", "out", "parts", "ready",
        "sent", "socket", "state", "tail",
    )  # fmt: skip

    def __init__(self, index: int, tail: bytes, *, leads: bool, keeps: bool) -> None:
        self.index = index
        self.leads = leads
        self.fills: Client | None = None  # the publisher for which what comes here makes room
        self.state = CONNECTING
        self.ready = False
        self.attended = True
        self.got = self.sent = self.inflight = 0
        self.tail: bytes | bytearray = tail
        self.out = b""
        self.parts = (b"", b"")
        self.kept: list[bytes] | None = [] if keeps else None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
