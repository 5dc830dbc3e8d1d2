"""Any OpenAI-compatible `/chat/completions` server: one streamed request, bounded in every way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast

import httpx

from hub.core.chat import ChatMessage, ChatPart, ChatRequest
from hub.core.errors import Backend, BackendTimeout
from hub.core.models import TokensField
from hub.models.completion import CompletionReader, EventStream, WholeBody
from hub.models.faults import excerpt, refusal, reported

# Usage may follow the finish reason, and the end of the body the end mark; not all servers bother.
USAGE_GRACE_S = 2.0
LINGER_S = 0.1
ERROR_BODY_BYTES = 4096
ERROR_BODY_S = 5.0


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a model is served. `base_url` ends before `/chat/completions`; its query is kept.

    `idle_timeout_s` bounds the silence before the next byte, `deadline_s` the whole reply.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    max_tokens_field: TokensField = "max_tokens"
    alternating: bool = False
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 60.0
    deadline_s: float = 120.0
    max_bytes: int = 8 * 1024 * 1024


@asynccontextmanager
async def open_client(
    transport: httpx.AsyncBaseTransport | None = None, *, max_connections: int = 1000
) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP client for model servers: no proxy variables, redirects, compression or cookies."""
    async with httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=20),
    ) as client:
        yield client


class OpenAiBackend:
    """A `ModelBackend` over HTTP; the client is the caller's, see `open_client`."""

    def __init__(self, upstream: Upstream, client: httpx.AsyncClient) -> None:
        self._upstream = upstream
        self._client = client
        self._key = upstream.api_key.strip() if upstream.api_key else None

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatPart, None]:
        """See `ModelBackend`."""
        reader = CompletionReader(request, self._key)
        async with self._open_answer(request) as answer:
            frames = self._frames(answer, reader)
            while (data := await _next(answer, reader)) and not reader.done:
                for delta in frames.feed(data):
                    yield delta
        for delta in frames.end():
            yield delta
        for part in reader.finish():
            yield part

    @asynccontextmanager
    async def _open_answer(self, request: ChatRequest) -> AsyncIterator[_Answer]:
        upstream = self._upstream
        ends_at = asyncio.get_running_loop().time() + upstream.deadline_s
        first_byte_s = upstream.connect_timeout_s + upstream.idle_timeout_s
        async with _bounded(ends_at, first_byte_s):
            response = await self._client.send(self._post(request), stream=True)
        answer = _Answer(response, upstream, ends_at)
        try:
            if response.status_code != 200:
                raise await self._refusal(answer)
            _refuse_encoded(response)
            yield answer
        finally:
            await answer.aclose()

    def _post(self, request: ChatRequest) -> httpx.Request:
        upstream = self._upstream
        url = httpx.URL(upstream.base_url)
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self._key:
            headers["Authorization"] = f"Bearer {_header_safe(self._key)}"
        return self._client.build_request(
            "POST",
            url.copy_with(path=url.path.rstrip("/") + "/chat/completions"),
            content=json.dumps(_payload(request, upstream)),
            headers=headers,
            timeout=httpx.Timeout(None, connect=upstream.connect_timeout_s),
        )

    async def _refusal(self, answer: _Answer) -> Backend:
        response = answer.response
        text = "" if "html" in answer.content_type else await _error_text(answer)
        safe = excerpt(text, self._key)
        return refusal(response.status_code, response.headers, safe, datetime.now(UTC))

    def _frames(self, answer: _Answer, reader: CompletionReader) -> EventStream | WholeBody:
        if answer.content_type in ("text/event-stream", ""):
            return EventStream(reader)
        if answer.content_type == "application/json":
            return WholeBody(reader)
        kind = excerpt(answer.content_type, self._key)
        raise Backend(
            f"the model server answered with {kind}, not an event stream; is its base URL right?"
        )


class _Answer:
    """The body of one HTTP answer, bounded in time and size."""

    def __init__(self, response: httpx.Response, upstream: Upstream, ends_at: float) -> None:
        self.response = response
        self.content_type = response.headers.get("content-type", "").partition(";")[0].lower()
        self.content_type = self.content_type.strip()
        self.idle_timeout_s = upstream.idle_timeout_s
        self._max_bytes = upstream.max_bytes
        self._ends_at = ends_at
        self._bytes = 0
        self._body = cast(AsyncGenerator[bytes, None], response.aiter_raw())

    async def read(self, within_s: float) -> bytes:
        """The next bytes, b"" at the end. Raises Backend."""
        async with _bounded(self._ends_at, within_s):
            data = await anext(self._body, b"")
        self._bytes += len(data)
        if self._bytes > self._max_bytes:
            raise Backend(f"the model server sent more than {self._max_bytes} bytes")
        return data

    async def aclose(self) -> None:
        """Closes the connection, unless the body was read to its end."""
        try:
            await self.response.aclose()
        finally:
            await self._body.aclose()


@asynccontextmanager
async def _bounded(ends_at: float, within_s: float) -> AsyncIterator[None]:
    """One wait for the server, its failures as ours. Never held across a yield of a stream: the
    timeout would cancel whoever consumes it."""
    now = asyncio.get_running_loop().time()
    if now >= ends_at:
        raise _timeout("did not finish in time")
    try:
        async with asyncio.timeout_at(min(ends_at, now + within_s)):
            yield
    except httpx.ConnectTimeout as error:
        raise _timeout("could not be reached in time") from error
    except (TimeoutError, httpx.TimeoutException) as error:
        late = ends_at < now + within_s
        raise _timeout("did not finish in time" if late else "fell silent") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Backend("the model server's base URL is not an http(s) URL") from error
    except httpx.TransportError as error:
        kind = type(error).__name__
        raise Backend(
            f"the connection to the model server failed ({kind})", transient=True
        ) from error


def _timeout(what: str) -> BackendTimeout:
    return BackendTimeout(f"the model server {what}", transient=True)


async def _next(answer: _Answer, reader: CompletionReader) -> bytes:
    """More of the body; once the reply is complete nothing that goes wrong matters any more."""
    if not reader.finished:
        return await answer.read(answer.idle_timeout_s)
    try:
        return await answer.read(LINGER_S if reader.done else USAGE_GRACE_S)
    except Backend:
        return b""


async def _error_text(answer: _Answer) -> str:
    """What an error answer says, as far as it says so soon, briefly and in plain bytes."""
    if _encoding(answer.response):
        return ""
    body = bytearray()
    try:
        async with asyncio.timeout(ERROR_BODY_S):
            while len(body) < ERROR_BODY_BYTES and (data := await answer.read(ERROR_BODY_S)):
                body += data
    except (Backend, TimeoutError):
        pass
    text = body[:ERROR_BODY_BYTES].decode("utf-8", "replace")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    found = reported(parsed) if isinstance(parsed, dict) else None
    return found[0] if found else text


def _refuse_encoded(response: httpx.Response) -> None:
    """A few bytes of gzip may be gigabytes of text, and identity is what was asked for."""
    encoding = _encoding(response)
    if encoding:
        raise Backend(f"the model server answered with Content-Encoding {encoding[:40]}")


def _encoding(response: httpx.Response) -> str:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding


def _header_safe(key: str) -> str:
    if not (key.isascii() and key.isprintable()):
        raise Backend("the api key of this model cannot be sent in a header")
    return key


def _payload(request: ChatRequest, upstream: Upstream) -> dict[str, Any]:
    """The body of the request; what is None is left out, for the server to choose. The options
    come first: none of them stands in for what the hub says itself."""
    sampling = request.sampling
    optional = {
        upstream.max_tokens_field: sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
    }
    return {
        **request.options,
        "model": upstream.model,
        "messages": _messages(request.messages, joined=upstream.alternating),
        "stream": True,
        "stream_options": {"include_usage": True},
        **{name: value for name, value in optional.items() if value is not None},
    }


def _messages(turns: Iterable[ChatMessage], *, joined: bool) -> list[Mapping[str, Any]]:
    """The turns in OpenAI's form; `joined` makes one of what follows in the same role."""
    taken: list[ChatMessage] = []
    for turn in turns:
        last = taken[-1] if taken and joined else None
        if last and last.role == turn.role and not (last.whole or turn.whole):
            taken[-1] = ChatMessage(turn.role, f"{last.content}\n\n{turn.content}")
        else:
            taken.append(turn)
    return [turn.whole or {"role": turn.role, "content": turn.content} for turn in taken]
