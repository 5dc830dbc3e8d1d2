"""The opening handshake of a WebSocket (RFC 6455, section 4.2), judged.

Nearly all clients ask in the same words, which are taken directly; whatever else comes is left to
`websockets`, which knows every rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from websockets.datastructures import Headers
from websockets.extensions import Extension
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from hub.gateway.deflate import SharedDeflate

Lines = Sequence[tuple[bytes, bytes]]
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
_TOKENS: Final = re.compile(rb"[A-Za-z0-9._-]+(, ?[A-Za-z0-9._-]+)*")
_OFFER: Final = re.compile(rb"permessage-deflate(; client_max_window_bits)?")
_VERSION: Final = "Sec-WebSocket-Version"
_ASKED: Final = frozenset(
    (b"upgrade", b"connection", b"origin", b"sec-websocket-key", b"sec-websocket-version",
     b"sec-websocket-protocol", b"sec-websocket-extensions")
)  # fmt: skip


class NoHandshake(Exception):
    """It is none; `response` is what is to be answered."""

    def __init__(self, response: bytes) -> None:
        super().__init__("no handshake")
        self.response = response


@dataclass(frozen=True, slots=True)
class Opening:
    """What lets a client in: the proof that its key was read, and the extensions agreed on."""

    accept: str
    agreed: str | None = None
    extensions: Sequence[Extension] = ()

    def response(self, subprotocol: str | None) -> bytes:
        lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {self.accept}",
        ]  # fmt: skip
        if self.agreed:
            lines.append(f"Sec-WebSocket-Extensions: {self.agreed}")
        if subprotocol:
            lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
        return "\r\n".join([*lines, "", ""]).encode()


def judge(method: bytes, target: bytes, lines: Lines, *, deflate: bool) -> Opening:
    """The lines' names are lower case. Raises NoHandshake."""
    if method == b"GET" and (key := _ordinary(lines, deflate=deflate)):
        return Opening(accept_key(key))
    return _judge(method, target, lines, deflate=deflate)


def _ordinary(lines: Lines, *, deflate: bool) -> str | None:
    """The key of a handshake in which nothing is to be weighed or agreed on."""
    asked: dict[bytes, bytes] = {}
    for name, value in lines:
        if name in _ASKED:
            if name in asked:
                return None
            asked[name] = value
    key = asked.get(b"sec-websocket-key", b"")
    protocols, offer = (asked.get(b"sec-websocket-" + n) for n in (b"protocol", b"extensions"))
    plain = (
        asked.get(b"upgrade", b"").lower() == b"websocket"
        and asked.get(b"connection", b"").lower() == b"upgrade"
        and asked.get(b"sec-websocket-version") == b"13"
        and asked.get(b"origin", b"").isascii()
        and _KEY.fullmatch(key) is not None
        and (protocols is None or _TOKENS.fullmatch(protocols) is not None)
        and (offer is None or (not deflate and _OFFER.fullmatch(offer) is not None))
    )
    return key.decode() if plain else None


def _judge(method: bytes, target: bytes, lines: Lines, *, deflate: bool) -> Opening:
    judging = ServerProtocol(extensions=[SharedDeflate()] if deflate else [])
    headers = Headers([(name.decode(), value.decode("latin-1")) for name, value in lines])
    if headers.get_all(_VERSION) != ["13"]:
        response = judging.reject(426, "This server speaks WebSocket version 13.\n")
        response.headers["Upgrade"] = "websocket"
        response.headers[_VERSION] = "13"
    else:
        response = judging.accept(Request(target.decode(), headers, method.decode()))
    if response.status_code != 101:
        raise NoHandshake(_serialized(judging, response))
    found = response.headers
    return Opening(
        found["Sec-WebSocket-Accept"], found.get("Sec-WebSocket-Extensions"), judging.extensions
    )


def _serialized(judging: ServerProtocol, response: Response) -> bytes:
    judging.send_response(response)
    return b"".join(judging.data_to_send())
