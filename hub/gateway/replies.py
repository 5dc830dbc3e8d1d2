"""A session's reply as server-sent events: chunks in the shape of chat completions, each with the
place in the reply as its id, so that a client that was cut off goes on from there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from hub.core.errors import HubError, invalid
from hub.core.sessions import finish_reason
from hub.core.values import Json, Message, Run, Session
from hub.gateway.following import Follower, NoReply, Piece, Reading, texts
from hub.gateway.gateway import Gateway
from hub.gateway.sse import EventStream, Say
from hub.wire.sse import DONE, sse

OnEnd = Callable[[], None]
NO_USAGE: Final = {"prompt_tokens": 0, "completion_tokens": 0}
HUMAN: Final = "human_agent"
CANCELLED: Final = "cancelled"
_PLACE: Final = re.compile(r"(run_[0-9a-z]{1,64}):(?:(\d{1,9}):(\d{1,9})|(done))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client was in a run's reply: its attempt and the characters it has; or `done`."""

    run_id: str
    attempt: int = 0
    sent: int = 0
    done: bool = False


def read_place(text: str) -> Place:
    """The value of a Last-Event-ID header."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise invalid("Last-Event-ID", "must be the id of an event of this session's stream")
    run_id, attempt, sent, done = match.groups()
    return Place(run_id, int(attempt or 0), int(sent or 0), bool(done))


def usage_of(reply: Message | None) -> Json:
    """Tokens as the API shows them."""
    usage = (reply.usage if reply else None) or NO_USAGE
    return {name: usage.get(name, 0) for name in NO_USAGE}


async def context_of(gateway: Gateway, run: Run | None) -> Json:
    """How much of the conversation the model was given, and how many messages were dropped because
    its window is too small: `{context: {tokens, dropped}}`."""
    ended = await gateway.parts.store.runs.get(run.tenant_id, run.id) if run else None
    given = (ended.context if ended else None) or {}
    return {"context": {name: given.get(name, 0) for name in ("tokens", "dropped")}}


class Chunks:
    """Chunks of one reply; every one has `choices[0].delta`."""

    def __init__(self, reply_id: str, model: str, created_s: int) -> None:
        self._head = {
            "id": reply_id,
            "object": "chat.completion.chunk",
            "created": created_s,
            "model": model,
        }

    def chunk(self, delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self._head | {"choices": [choice]}

    def begin(self, event_id: str | None = None) -> bytes:
        return sse(self.chunk({"role": "assistant", "content": ""}), event_id=event_id)

    def end(
        self, finish: str, usage: Json, event_id: str | None = None, context: Json | None = None
    ) -> bytes:
        about = {"usage": usage} | (context or {})
        return sse(self.chunk({}, finish) | about, event_id=event_id)

    def fail(self, error: HubError) -> bytes:
        failure = {"code": error.code, "message": error.message}
        return sse(self.chunk({}) | failure, event="error")


async def lines(
    gateway: Gateway, follower: Follower, run: Run, chunks: Chunks, place: Place, *, behind: bool
) -> AsyncGenerator[bytes, None]:
    """The events of a reply from a place on, up to `[DONE]`."""
    if not place.sent:
        yield chunks.begin(f"{run.id}:0:0")
    reading = Reading(place.sent, place.attempt)
    parts = texts(gateway, follower, run, reading, behind=behind)
    try:
        async with contextlib.aclosing(parts):
            async for part in parts:
                context = await context_of(gateway, run) if isinstance(part, Message) else None
                yield _line(run, chunks, part, context)
    except HubError as error:
        yield chunks.fail(error)
    yield DONE


def _line(run: Run, chunks: Chunks, part: Piece | Message | NoReply, context: Json | None) -> bytes:
    if isinstance(part, Piece):
        place = f"{run.id}:{part.attempt}:{part.end}"
        return sse(chunks.chunk({"content": part.text}), event_id=place)
    if isinstance(part, NoReply):
        return chunks.end(CANCELLED, NO_USAGE, f"{run.id}:done")
    finish = finish_reason(part) or "stop"
    return chunks.end(finish, usage_of(part), f"{run.id}:done", context)


async def unanswered(session: Session, asked: Message) -> AsyncGenerator[bytes, None]:
    """What is streamed where a person answers, some time, instead of the model."""
    chunks = Chunks(asked.id, session.model, asked.created_ms // 1000)
    yield chunks.begin()
    yield chunks.end(HUMAN, NO_USAGE)
    yield DONE


def stream(
    source: AsyncGenerator[bytes, None], stack: contextlib.AsyncExitStack, on_end: OnEnd
) -> Response:
    """An answer that goes on until `source` ends or the client leaves; `stack` is closed then, and
    `on_end` is called even when it never began."""

    async def produce(say: Say) -> None:
        async with stack, contextlib.aclosing(source):
            async for line in source:
                await say(line)

    return EventStream(produce, on_end)
