"""Whole responses for requests that never reach the application."""

from __future__ import annotations

from typing import Final

import orjson
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES

HEAD_BYTES: Final = 32_768
HEADERS: Final = 100
_WORDS: Final = {
    400: ("VALIDATION_ERROR", "this is no valid HTTP request"),
    404: ("NOT_FOUND", "there is no WebSocket at this path"),
    408: ("VALIDATION_ERROR", "the request did not arrive in time; send it again, faster"),
    431: ("PAYLOAD_TOO_LARGE", f"a head is at most {HEADERS} lines and {HEAD_BYTES} bytes"),
    500: ("INTERNAL", "the hub failed; try again"),
}


def refusal(status: int) -> bytes:
    """An error in the shape that every error has, after which the connection ends."""
    code, message = _WORDS.get(status, _WORDS[400])
    body = orjson.dumps({"status": "error", "error": {"code": code, "message": message}})
    phrase = STATUS_PHRASES[status]
    return (
        b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n%s" % (status, phrase, len(body), body)
    )
