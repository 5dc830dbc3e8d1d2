"""The two encodings a socket may speak: the same maps in text frames or binary ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgpack
from websockets.typing import Subprotocol


@dataclass(frozen=True, slots=True)
class Encoding:
    """A subprotocol, and how a map becomes a frame and is read from one."""

    protocol: Subprotocol
    dump: Callable[[Any], str | bytes]
    load: Callable[[str | bytes], Any]

    @property
    def name(self) -> str:
        return self.protocol.rpartition(".")[2]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _packed(value: Any) -> bytes:
    data: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return data


def _unpacked(data: str | bytes) -> Any:
    assert isinstance(data, bytes), data
    return msgpack.unpackb(data)


def _json(data: str | bytes) -> Any:
    assert isinstance(data, str), data
    return json.loads(data)


ENCODINGS: Final = (
    Encoding(Subprotocol("roomhub.v1.json"), _text, _json),
    Encoding(Subprotocol("roomhub.v1.msgpack"), _packed, _unpacked),
)
