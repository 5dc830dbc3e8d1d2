"""Server-sent events out (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from typing import Any, Final

import orjson

HEARTBEAT: Final = b": still here\n\n"
DONE: Final = b"data: [DONE]\n\n"


def sse(data: Any, *, event: str | None = None, event_id: str | None = None) -> bytes:
    """One event; JSON has no raw line breaks, so it is one data line."""
    head = b""
    if event is not None:
        head += f"event: {event}\n".encode()
    if event_id is not None:
        head += f"id: {event_id}\n".encode()
    return head + b"data: " + orjson.dumps(data) + b"\n\n"
