"""The `webhook` driver: a signed POST to somebody's program, by Standard Webhooks 1.0."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final, cast

import httpx
import orjson

from hub.core.errors import Backend, BackendTimeout
from hub.core.invoking import Invocation, Part, Silence, Wait
from hub.core.times import rfc3339
from hub.core.values import Json
from hub.models.faults import excerpt
from workers.drivers.answers import Safe, StreamReader, refusal, whole
from workers.drivers.signing import signed_headers

JSON_BYTES: Final = 1024 * 1024
STREAM_BYTES: Final = 8 * 1024 * 1024  # the longest message in the wordiest of frames
ERROR_BODY_BYTES: Final = 4096
ERROR_BODY_S: Final = 2.0
ABANDON_S: Final = 5.0
_AGENT: Final = f"roomhub/{version('roomhub')}"


class WebhookDriver:
    """`Driver` on HTTP; the client is the caller's, see `guarded_client`.

    It waits `idle_timeout_s` for the next bytes; the time of the whole is the caller's to bound.
    """

    def __init__(
        self, client: httpx.AsyncClient, now_ms: Callable[[], int], *, idle_timeout_s: float = 60.0
    ) -> None:
        self._client = client
        self._now_ms = now_ms
        self._timeout = httpx.Timeout(idle_timeout_s, connect=min(10.0, idle_timeout_s))

    @asynccontextmanager
    async def invoke(self, invocation: Invocation) -> AsyncIterator[AsyncIterator[Part]]:
        """See `Driver`."""
        parts = self._parts(invocation)
        try:
            yield parts
        finally:
            await parts.aclose()

    async def abandon(self, invocation: Invocation) -> None:
        """Tells the other side, once, that an answer is no longer wanted."""
        run = invocation.run
        about = _body(invocation, "run.cancelled", {"run": run.as_dict()})
        # An id of its own: whoever drops what it has seen must not drop this.
        request = self._post(invocation, f"{run.id}_cancelled", about)
        with _told():
            async with asyncio.timeout(ABANDON_S):
                await (await self._client.send(request, stream=True)).aclose()

    async def _parts(self, invocation: Invocation) -> AsyncGenerator[Part, None]:
        """The request is over before the ending is yielded."""
        body = _body(invocation, "room.mention", _mention(invocation))
        safe = _without(invocation)
        async with self._open_answer(self._post(invocation, invocation.run.id, body)) as answer:
            if answer.is_stream:
                reader = StreamReader(invocation.chat, safe)
                while not reader.done and (data := await answer.read(STREAM_BYTES)):
                    for part in reader.feed(data):
                        yield part
                last = reader.end()
            else:
                last = await self._at_once(answer, safe)
        for part in last:
            yield part

    async def _at_once(self, answer: _Answer, safe: Safe) -> list[Part]:
        if answer.status == 202:
            return [Wait()]
        if answer.status == 204:
            return [Silence()]
        if answer.status != 200:
            said = safe(await answer.excerpt())
            now = datetime.fromtimestamp(self._now_ms() / 1000, UTC)
            raise refusal(answer.status, answer.headers, said, now)
        if answer.kind != "application/json":
            kind = safe(answer.kind) or "no Content-Type"
            raise Backend(
                f"the webhook answered with {kind}; 200 is for application/json"
                " or text/event-stream, 204 for silence"
            )
        return whole(await answer.everything(JSON_BYTES), safe)

    def _post(self, invocation: Invocation, message_id: str, body: bytes) -> httpx.Request:
        if not invocation.secrets:
            raise Backend("this participant has no secret to sign requests with")
        try:
            signed = signed_headers(invocation.secrets, message_id, self._now_ms() // 1000, body)
            return self._client.build_request(
                "POST",
                str(invocation.driver.get("url", "")),
                content=body,
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json, text/event-stream",
                    "User-Agent": _AGENT,
                    **signed,
                },
                timeout=self._timeout,
            )
        except (ValueError, httpx.InvalidURL) as error:
            raise Backend(f"this participant cannot be called: {error}") from error

    @asynccontextmanager
    async def _open_answer(self, request: httpx.Request) -> AsyncIterator[_Answer]:
        with _told():
            response = await self._client.send(request, stream=True)
        answer = _Answer(response)
        try:
            yield answer
        finally:
            await answer.aclose()


class _Answer:
    """One HTTP answer; its body is read raw, never decompressed."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._body = cast(AsyncGenerator[bytes, None], response.aiter_raw())
        self._bytes = 0
        self.status = response.status_code
        self.headers = response.headers
        self.kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_stream(self) -> bool:
        return self.status == 200 and self.kind == "text/event-stream"

    async def read(self, max_bytes: int) -> bytes:
        """The next bytes, b"" at the end. Raises Backend."""
        with _told():
            data = await anext(self._body, b"")
        self._bytes += len(data)
        if self._bytes > max_bytes:
            raise Backend(f"the webhook answered with more than {max_bytes} bytes")
        return data

    async def everything(self, max_bytes: int) -> bytes:
        body = bytearray()
        while data := await self.read(max_bytes):
            body += data
        return bytes(body)

    async def excerpt(self) -> str:
        """What an error says, as far as it says so soon, briefly and not in HTML."""
        body = bytearray()
        if "html" in self.kind:
            return ""
        try:
            async with asyncio.timeout(ERROR_BODY_S):
                while len(body) < ERROR_BODY_BYTES and (data := await self.read(JSON_BYTES)):
                    body += data
        except (Backend, TimeoutError):
            pass
        return body[:ERROR_BODY_BYTES].decode("utf-8", "replace")

    async def aclose(self) -> None:
        """Closes the connection, unless the body was read to its end."""
        try:
            await self._response.aclose()
        finally:
            await self._body.aclose()


@contextmanager
def _told() -> Iterator[None]:
    """One wait for the other side, its failures as ours."""
    try:
        yield
    except httpx.PoolTimeout as error:
        raise BackendTimeout("too many webhooks are being waited for", transient=True) from error
    except httpx.ConnectTimeout as error:
        raise BackendTimeout("the webhook could not be reached in time", transient=True) from error
    except (TimeoutError, httpx.TimeoutException) as error:
        raise BackendTimeout("the webhook fell silent", transient=True) from error
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise Backend("the webhook's URL cannot be called") from error
    except httpx.TransportError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise Backend("the webhook's certificate is not trusted") from error
        kind = type(error).__name__
        raise Backend(f"the connection to the webhook failed ({kind})", transient=True) from error


def _body(invocation: Invocation, kind: str, data: Json) -> bytes:
    """`timestamp` is when the run was opened, whichever attempt this is."""
    run = invocation.run
    return orjson.dumps(
        {"type": kind, "id": run.id, "timestamp": rfc3339(run.created_ms), "data": data}
    )


def _mention(invocation: Invocation) -> Json:
    return {
        "run": invocation.run.as_dict(),
        "room": invocation.room,
        "message": invocation.message.as_dict(),
        "thread": [message.as_dict() for message in invocation.thread],
        "context": [{"role": m.role, "content": m.content} for m in invocation.chat.messages],
        "participant": invocation.participant.as_dict(),
        "reply_url": invocation.reply_url,
        "token": invocation.token,
    }


def _without(invocation: Invocation) -> Safe:
    """Excerpts without what the request carried in confidence, should it be sent back."""

    def safe(text: str) -> str:
        for secret in filter(None, (invocation.token, *invocation.secrets)):
            text = text.replace(secret, "[secret]")
        return excerpt(text, None)

    return safe
