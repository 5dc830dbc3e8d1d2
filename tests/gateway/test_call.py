"""`hub.gateway.rest.call`: which bodies are read, and how far."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.types import Message

from hub.core.errors import TooLarge, UnsupportedMedia
from hub.gateway.rest.call import BODY_BYTES, read_body

PIECE = 65_536


class Body:
    """A request's body, given out in pieces; counts what was taken."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.taken = 0

    async def receive(self) -> Message:
        piece = min(PIECE, self.left)
        self.left -= piece
        self.taken += piece
        return {"type": "http.request", "body": b"x" * piece, "more_body": self.left > 0}


def request(body: Body, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": raw}
    return Request(scope, body.receive)


async def test_a_body_has_a_bound_whatever_its_length_says() -> None:
    assert BODY_BYTES == len(await read_body(request(Body(BODY_BYTES))))
    endless = Body(100 * BODY_BYTES)
    with pytest.raises(TooLarge):
        await read_body(request(endless, content_length="10"))
    assert endless.taken <= BODY_BYTES + PIECE


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_encoding": "gzip"},
        {"content_encoding": "deflate", "content_type": "application/json"},
    ],
)
async def test_a_body_is_plain_json(headers: dict[str, str]) -> None:
    assert b"xx" == await read_body(request(Body(2), content_type="application/json; charset=x"))
    assert b"xx" == await read_body(request(Body(2), content_encoding="identity"))
    with pytest.raises(UnsupportedMedia):
        await read_body(request(Body(2), **headers))
