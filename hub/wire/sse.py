"""Server-sent events out (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from typing import Any, Final

import orjson

HEARTBEAT: Final = b": still here\n\n"
DONE: Final = b"data: [DONE]\n\n"
_LINE_ENDS: Final = tuple(
    (chr(code).encode(), rf"\u{code:04x}".encode()) for code in (0x85, 0x2028, 0x2029)
)


def sse(data: Any, *, event: str | None = None, event_id: str | None = None) -> bytes:
    """One event; JSON has no raw line breaks, so it is one data line. What other than CR and LF
    some clients take for the end of a line (httpx does, as `str.splitlines`) is escaped."""
    head = b""
    if event is not None:
        head += f"event: {event}\n".encode()
    if event_id is not None:
        head += f"id: {event_id}\n".encode()
    body = orjson.dumps(data)
    for line_end, escaped in _LINE_ENDS:
        body = body.replace(line_end, escaped)
    return head + b"data: " + body + b"\n\n"
