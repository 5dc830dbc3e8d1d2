"""Sessions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from hub.core.errors import HubError, Unavailable
from hub.core.posts import Posted, RequestKey
from hub.core.values import Message, Run, Session, session_message
from hub.gateway.following import Follower, open_follower, texts
from hub.gateway.rest.call import Answer, Call, Operation
from hub.wire.requests import ChangeSession, CreateSession, SendMessage
from hub.wire.sse import DONE, HEARTBEAT, sse

HEARTBEAT_S: Final = 15.0
_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0}


async def create(call: Call) -> Answer:
    body = await call.body(CreateSession)
    session = await call.parts.sessions.create(call.actor, body, call.key("sessions", body))
    return Answer(session.as_dict(), 201)


async def page(call: Call) -> Answer:
    whole_tenant = call.choice("scope", "tenant") == "tenant"
    status = call.choice("status", "active", "closed")
    found = await call.parts.sessions.page(
        call.actor, whole_tenant=whole_tenant, status=status, page=call.page("sessions")
    )
    return call.listed("sessions", found, lambda session: str(session.id), Session.as_dict)


async def read(call: Call) -> Answer:
    """The session and its messages in order: all of them unless paged."""
    limit = call.limit() if call.query("limit") is not None else None
    session, messages = await call.parts.sessions.history(
        call.actor, call.path("session_id"), limit=limit, before=call.number("before")
    )
    shown = [session_message(message, session) for message in messages]
    return Answer(session.as_dict() | {"messages": shown})


async def change(call: Call) -> Answer:
    body = await call.body(ChangeSession)
    session = await call.parts.sessions.change(call.actor, call.path("session_id"), body)
    return Answer(session.as_dict())


async def delete(call: Call) -> Answer:
    hard = call.choice("hard", "true", "false") == "true"
    session = await call.parts.sessions.delete(call.actor, call.path("session_id"), hard=hard)
    return Answer(session.as_dict())


async def send(call: Call) -> Answer | Response:
    """Send a message and wait for the reply, or stream it."""
    body = await call.body(SendMessage)
    session_id = call.path("session_id")
    await call.parts.sessions.read(call.actor, session_id)
    key = call.key(f"send/{session_id}", body.model_copy(update={"stream": False}))
    if body.stream:
        return await _stream(call, session_id, body, key)
    async with open_follower(call.gateway, call.actor, session_id) as follower:
        session, posted = await call.parts.sessions.send(call.actor, session_id, body, key)
        async for part in texts(call.gateway, follower, _run(posted)):
            if isinstance(part, Message):
                return Answer(_both(session, posted.message, part), 201)
    raise Unavailable("the reply was not stored")


def _run(posted: Posted) -> Run:
    if not posted.runs:
        raise Unavailable("no model answers in this session now", code="MODEL_UNAVAILABLE")
    return posted.runs[0]


def _both(session: Session, asked: Message, reply: Message) -> dict[str, Any]:
    return {
        "message_id": reply.id,
        "content": reply.content,
        "finish_reason": reply.finish_reason,
        "usage": _usage(reply),
        "user_message": session_message(asked, session),
        "message": session_message(reply, session),
    }


def _usage(reply: Message) -> dict[str, Any]:
    usage = reply.usage or _NO_USAGE
    return {name: usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens")}


async def _stream(
    call: Call, session_id: str, body: SendMessage, key: RequestKey | None
) -> Response:
    """The message is stored before the answer begins: a refusal is a plain error."""
    stack = contextlib.AsyncExitStack()
    try:
        follower = await stack.enter_async_context(
            open_follower(call.gateway, call.actor, session_id)
        )
        session, posted = await call.parts.sessions.send(call.actor, session_id, body, key)
        run = _run(posted)
    except BaseException:
        await stack.aclose()
        raise
    chunks = _Chunks(run.reply_message_id, session.model, run.created_ms // 1000)
    return StreamingResponse(
        _with_heartbeats(_lines(call, follower, run, chunks), stack),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


class _Chunks:
    """Chunks in the shape of chat completions; every one has `choices[0].delta`."""

    def __init__(self, message_id: str, model: str, created: int) -> None:
        self._head = {
            "id": message_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return self._head | {"choices": [choice]}


async def _lines(
    call: Call, follower: Follower, run: Run, chunks: _Chunks
) -> AsyncGenerator[bytes, None]:
    yield sse(chunks.chunk({"role": "assistant", "content": ""}))
    try:
        async with contextlib.aclosing(texts(call.gateway, follower, run)) as parts:
            async for part in parts:
                if isinstance(part, str):
                    yield sse(chunks.chunk({"content": part}))
                else:
                    last = chunks.chunk({}, part.finish_reason or "stop")
                    yield sse(last | {"usage": _usage(part)})
    except HubError as error:
        failure = {"code": error.code, "message": error.message}
        yield sse(chunks.chunk({}) | failure, event="error")
    yield DONE


async def _with_heartbeats(
    lines: AsyncGenerator[bytes, None], stack: contextlib.AsyncExitStack
) -> AsyncIterator[bytes]:
    """A comment whenever nothing was said for a while, so that proxies keep the line open."""
    async with stack:
        waiting = asyncio.ensure_future(anext(lines, None))
        try:
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=HEARTBEAT_S)
                if not done:
                    yield HEARTBEAT
                    continue
                line = waiting.result()
                if line is None:
                    return
                yield line
                waiting = asyncio.ensure_future(anext(lines, None))
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})
            await lines.aclose()


_ONE = "/v1/sessions/{session_id}"
OPERATIONS = [
    Operation("POST", "/v1/sessions", create, "Create a session", CreateSession),
    Operation(
        "GET",
        "/v1/sessions",
        page,
        "List the caller's sessions",
        query=("limit", "cursor", "scope", "status"),
    ),
    Operation("GET", _ONE, read, "Read a session and its messages", query=("limit", "before")),
    Operation("PATCH", _ONE, change, "Change a session", ChangeSession),
    Operation("DELETE", _ONE, delete, "Delete a session", query=("hard",)),
    Operation("POST", f"{_ONE}/messages", send, "Send a message to the model", SendMessage),
]  # fmt: skip
