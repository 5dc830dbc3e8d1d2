"""WebSocket frames from client to server (RFC 6455 section 5.2): the common case, taken directly.

Nearly all that clients send are whole text frames. Those are unmasked here, at a fraction of what
the general parser takes for each; whatever else comes, and whatever is wrong, is left to it.
"""

from __future__ import annotations

from typing import Any, Final

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where there is one
from websockets.protocol import State
from websockets.server import ServerProtocol

_WHOLE_TEXT: Final = 0x81
_MASKED: Final = 0x80
_TWO_BYTES: Final = 126
_MASK_BYTES: Final = 4


def take_texts(
    protocol: ServerProtocol | None, data: bytes, most: int
) -> tuple[list[bytes], bytes]:
    """The bodies of the whole text frames of at most `most` bytes that `data` begins with, and the
    rest of it, for the general parser: everything, unless that stands between two messages, as
    one does that there is none of yet."""
    if not data or data[0] != _WHOLE_TEXT:
        return [], data
    if protocol is not None and not _between_messages(protocol):
        return [], data
    found, at, size = [], 0, len(data)
    while at + 8 <= size and data[at] == _WHOLE_TEXT:
        length, begin = data[at + 1] - _MASKED, at + 2 + _MASK_BYTES
        if length == _TWO_BYTES:
            length, begin = data[at + 2] << 8 | data[at + 3], begin + 2
        elif not 0 <= length < _TWO_BYTES:
            break
        end = begin + length
        if end > size or length > most:
            break
        found.append(apply_mask(data[begin:end], data[begin - _MASK_BYTES : begin]))
        at = end
    return found, data[at:]


def _between_messages(protocol: ServerProtocol) -> bool:
    """Whether nothing of a frame, or of a message in fragments, has come yet. The server's parser
    is a generator on the general one, which waits in `at_eof` between two frames."""
    if protocol.state is not State.OPEN or protocol.current_size is not None:
        return False
    parser: Any = protocol.parser
    waiting = getattr(parser.gi_yieldfrom, "gi_yieldfrom", None)
    return waiting is not None and waiting.__name__ == "at_eof"
