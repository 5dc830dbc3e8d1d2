"""`POST /v1/chat/completions` in OpenAI's shape, streamed and not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hub.core.chat import ChatPart, Finish, OtherDelta, TextDelta, Usage
from hub.core.errors import HubError
from hub.gateway.completions import open_completion
from hub.gateway.rest.call import Call, Operation, plain, read_body
from hub.gateway.sse import EventStream, Say, gone
from hub.parts import now_ms
from hub.wire.bodies import parse_object, validate
from hub.wire.completions import CompletionBody, Shapes, error_of, message_of
from hub.wire.sse import DONE, sse

BODY_BYTES: Final = 2_097_152
PATIENCE_S: Final = 10.0
T = TypeVar("T")


async def create(call: Call) -> Response:
    """A failure before the first piece is a plain error; a client that leaves ends the request to
    the model's server."""
    body = validate(CompletionBody, parse_object(await read_body(call.request, BODY_BYTES)))
    name = call.parts.ids.make("chatcmpl").replace("_", "-")
    shapes = Shapes(name, now_ms() // 1000, body.model, usage=body.include_usage)
    if body.stream:
        return await _streamed(call, body, shapes)
    return plain(await _while_connected(call.request, _whole(call, body, shapes)))


async def _whole(call: Call, body: CompletionBody, shapes: Shapes) -> dict[str, object]:
    texts: list[str] = []
    others: list[OtherDelta] = []
    end = Finish("stop")
    async with open_completion(call.parts, call.actor, body) as parts:
        async for part in parts:
            if isinstance(part, TextDelta):
                texts.append(part.text)
            elif isinstance(part, OtherDelta):
                others.append(part)
            else:
                end = part
    return shapes.whole(message_of("".join(texts), others), end.reason, end.usage or Usage(0, 0))


async def _streamed(call: Call, body: CompletionBody, shapes: Shapes) -> Response:
    """The answer begins with the first piece, or when that takes long."""
    stack = AsyncExitStack()
    try:
        parts = await stack.enter_async_context(open_completion(call.parts, call.actor, body))
        first = asyncio.ensure_future(anext(parts))
        stack.push_async_callback(_give_up, first)
        await _while_connected(call.request, asyncio.wait({first}, timeout=PATIENCE_S))
        if first.done():
            first.result()
    except BaseException:
        await stack.aclose()
        raise

    async def produce(say: Say) -> None:
        async with stack:
            await _say_all(say, shapes, first, parts, usage=body.include_usage)

    return EventStream(produce, lambda: None)


async def _say_all(
    say: Say,
    shapes: Shapes,
    first: Awaitable[ChatPart],
    rest: AsyncIterator[ChatPart],
    *,
    usage: bool,
) -> None:
    try:
        part = await first
        await say(sse(shapes.chunk({"role": "assistant", "content": ""})))
        while not isinstance(part, Finish):
            delta = {"content": part.text} if isinstance(part, TextDelta) else part.fields
            await say(sse(shapes.chunk(delta)))
            part = await anext(rest)
        await say(sse(shapes.chunk({}, part.reason)))
        if usage:
            await say(sse(shapes.last(part.usage or Usage(0, 0))))
    except HubError as error:
        await say(sse({"error": error_of(error)[1]}))
    await say(DONE)


async def _give_up(first: asyncio.Future[ChatPart]) -> None:
    """Nobody waits for the first piece any more; what became of it is of no interest."""
    first.cancel()
    await asyncio.wait({first})
    if not first.cancelled():
        first.exception()


async def _while_connected(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`; it is cancelled, and ClientDisconnect raised, when the client leaves
    first."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(gone(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait({working, leaving})


OPERATIONS = [
    Operation("POST", "/v1/chat/completions", create, "Complete a chat, stateless", CompletionBody),
]
