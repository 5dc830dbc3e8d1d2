"""HTTP to an agent, bounded in time and size: no redirects, no compression, its failures as ours.

No timeout is held across a yield of a stream: it would cancel whoever reads it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import httpx

from hub.core.errors import Backend, BackendTimeout
from hub.models.faults import is_transient, retry_after_s
from workers.drivers.a2a_wire import error_text, read_json
from workers.drivers.reply_text import line_of

ERROR_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an agent may take: seconds and bytes.

    `idle_s` bounds the silence before the next byte of a stream, `poll_s` and `poll_most_s` how
    often a task that is not streamed is asked for, `poll_patience` how often in a row that may
    fail, `cancel_s` how long a task is given to end when its run is cancelled.
    """

    connect_s: float = 10.0
    answer_s: float = 30.0
    idle_s: float = 60.0
    poll_s: float = 0.5
    poll_most_s: float = 5.0
    poll_patience: int = 5
    cancel_s: float = 0.8
    max_bytes: int = 8 * 1024 * 1024
    card_bytes: int = 256 * 1024
    card_age_s: float = 300.0
    cards: int = 256


class Refused(Backend):
    """The agent answered with an HTTP error."""

    def __init__(self, message: str, *, http_status: int, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.http_status = http_status


class Answer:
    """A good answer, in plain bytes, its body yet to be read."""

    def __init__(self, response: httpx.Response, bounds: Bounds, ends_at: float) -> None:
        self._response = response
        self._bounds = bounds
        self._ends_at = ends_at

    @property
    def streamed(self) -> bool:
        kind = str(self._response.headers.get("content-type", "")).partition(";")[0]
        return kind.strip().lower() == "text/event-stream"

    async def whole(self, max_bytes: int) -> bytes:
        """The body, as soon as the answer was to come. Raises Backend."""
        body = bytearray()
        async with _bounded(self._ends_at), aclosing(self._raw()) as pieces:
            async for piece in pieces:
                body += piece
                _check_size(len(body), max_bytes)
        return bytes(body)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, no silence longer than `idle_s`. Raises Backend."""
        size = 0
        async with aclosing(self._raw()) as pieces:
            while True:
                async with _bounded(asyncio.get_running_loop().time() + self._bounds.idle_s):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                size += len(piece)
                _check_size(size, self._bounds.max_bytes)
                yield piece

    def _raw(self) -> AsyncGenerator[bytes, None]:
        return cast(AsyncGenerator[bytes, None], self._response.aiter_raw())


@asynccontextmanager
async def open_answer(
    client: httpx.AsyncClient, request: httpx.Request, bounds: Bounds, within_s: float
) -> AsyncIterator[Answer]:
    """The answer, begun within that time; its connection is given back with the block.

    Raises Backend, `Refused` for an HTTP error.
    """
    ends_at = asyncio.get_running_loop().time() + within_s
    request.headers["Accept-Encoding"] = "identity"
    connect_s = min(bounds.connect_s, within_s)
    request.extensions["timeout"] = httpx.Timeout(None, connect=connect_s).as_dict()
    async with _bounded(ends_at):
        response = await client.send(request, stream=True, follow_redirects=False)
    try:
        answer = Answer(response, bounds, ends_at)
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            # A few bytes of gzip may be gigabytes of text, and identity is what was asked for.
            raise Backend(f"the agent answered with Content-Encoding {line_of(encoding, 40)}")
        if not response.is_success:
            raise await _refusal(response, answer)
        yield answer
    finally:
        await response.aclose()


@asynccontextmanager
async def _bounded(ends_at: float) -> AsyncIterator[None]:
    """One wait for the agent, its failures as ours."""
    try:
        async with asyncio.timeout_at(ends_at):
            yield
    except httpx.ConnectTimeout:
        raise BackendTimeout("the agent could not be reached in time", transient=True) from None
    except (TimeoutError, httpx.TimeoutException):
        raise BackendTimeout("the agent did not answer in time", transient=True) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise Backend("the agent's URL is not an http(s) URL") from None
    except httpx.TransportError as error:
        kind = type(error).__name__
        raise Backend(f"the connection to the agent failed ({kind})", transient=True) from error


async def _refusal(response: httpx.Response, answer: Answer) -> Refused:
    """What an HTTP error says, as far as it says so briefly."""
    status = response.status_code
    try:
        said = error_text(read_json(await answer.whole(ERROR_BYTES)).get("error"))
    except Backend:
        said = ""
    meaning = _MEANING.get(status, "answered with an error")
    if 300 <= status < 400:
        meaning = "redirects, which is not followed"
    return Refused(
        f"the agent {meaning} (HTTP {status})" + (f": {said}" if said else ""),
        http_status=status,
        transient=is_transient(status),
        retry_after=retry_after_s(response.headers, datetime.now(UTC)),
    )


_MEANING = {
    401: "wants credentials, which the hub has none of",
    403: "refuses the hub",
    404: "does not know this address or task",
    429: "asks to slow down",
}


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise Backend(f"the agent sent more than {limit} bytes")
