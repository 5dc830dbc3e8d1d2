"""What is said in a session and answered: whole or streamed, resumed, stopped, asked again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from hub.core.errors import Unavailable, invalid
from hub.core.posts import Posted
from hub.core.runs import ENDED
from hub.core.sessions import finish_reason, session_message
from hub.core.values import Json, Message, Run, Session
from hub.gateway.following import Follower, NoReply, Reading, open_follower, texts
from hub.gateway.replies import (
    CANCELLED,
    HUMAN,
    Chunks,
    Place,
    context_of,
    lines,
    read_place,
    stream,
    unanswered,
    usage_of,
)
from hub.gateway.rest.call import Answer, Call, Operation
from hub.wire.requests import Regenerate, SendMessage

CANCEL_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A message that is stored, and the run that answers it; None where a person does. `behind`
    when the run may have begun before anybody followed it."""

    session: Session
    message: Message
    run: Run | None
    behind: bool = False


Ask = Callable[[], Awaitable[Asked]]


async def send(call: Call) -> Answer | Response:
    """Send a message and wait for the reply, or stream it."""
    body = await call.body(SendMessage)
    session = await call.parts.sessions.writable(call.actor, call.path("session_id"))
    key = call.key(f"send/{session.id}", body.model_copy(update={"stream": False}))

    async def ask() -> Asked:
        posted = await call.parts.sessions.post(call.actor, session, body, key)
        return Asked(session, posted.message, _newest(posted), posted.replayed)

    return await _answer(call, session.id, ask, whole=not body.stream, status=201)


def _newest(posted: Posted) -> Run | None:
    """The run whose reply stands: of a retry, that of the last generation."""
    return max(posted.runs, key=lambda run: run.generation, default=None)


async def regenerate(call: Call) -> Answer | Response:
    body = await call.body_if_any(Regenerate)
    session = await call.parts.sessions.writable(call.actor, call.path("session_id"))
    key = call.key(f"regenerate/{session.id}", body.model_copy(update={"stream": False}))

    async def ask() -> Asked:
        asked = await call.parts.rewriting.regenerate(call.actor, session.id, body.sampling(), key)
        return Asked(*asked, behind=key is not None)

    return await _answer(call, session.id, ask, whole=not body.stream, status=201)


async def edit(call: Call) -> Answer | Response:
    """Say the last message anew, and have it answered again."""
    body = await call.body(SendMessage)
    session = await call.parts.sessions.writable(call.actor, call.path("session_id"))

    async def ask() -> Asked:
        return Asked(
            *await call.parts.rewriting.edit(
                call.actor, session.id, call.path("message_id"), body.content, body.sampling()
            )
        )

    return await _answer(call, session.id, ask, whole=not body.stream, status=200)


async def _answer(
    call: Call, session_id: str, ask: Ask, *, whole: bool, status: int
) -> Answer | Response:
    """Follow the session, ask, then wait for the reply or stream it. What is asked is stored before
    the answer begins: a refusal is a plain error."""
    async with contextlib.AsyncExitStack() as stack:
        follower = await stack.enter_async_context(
            open_follower(call.gateway, call.actor, session_id)
        )
        asked = await ask()
        if whole:
            answer = _both(asked, await _reply(call, follower, asked))
            return Answer(answer | await context_of(call.gateway, asked.run), status)
        if asked.run is None:
            silence = unanswered(asked.session, asked.message)
            return stream(silence, stack.pop_all(), follower.leave)
        return _streamed(call, follower, asked.session, asked.run, asked.behind, stack.pop_all())


def _streamed(
    call: Call,
    follower: Follower,
    session: Session,
    run: Run,
    behind: bool,
    stack: contextlib.AsyncExitStack,
    place: Place | None = None,
) -> Response:
    chunks = Chunks(run.reply_message_id, session.model, run.created_ms // 1000)
    place = place or Place(run.id)
    source = lines(call.gateway, follower, run, chunks, place, behind=behind)
    return stream(source, stack, follower.leave)


async def _reply(call: Call, follower: Follower, asked: Asked) -> Message | None:
    """The reply once it is stored; None where there will be none for now."""
    if asked.run is None:
        return None
    parts = texts(call.gateway, follower, asked.run, Reading(), behind=False)
    async with contextlib.aclosing(parts):
        async for part in parts:
            if isinstance(part, Message):
                return part
            if isinstance(part, NoReply):
                return None
    raise Unavailable("the reply was not stored")


def _both(asked: Asked, reply: Message | None) -> Json:
    session = asked.session
    reason = finish_reason(reply) if reply else CANCELLED if asked.run else HUMAN
    return {
        "message_id": reply.id if reply else None,
        "content": reply.content if reply else "",
        "finish_reason": reason,
        "usage": usage_of(reply),
        "user_message": session_message(asked.message, session),
        "message": session_message(reply, session) if reply else None,
    }


async def resume(call: Call) -> Response:
    """The reply that is being written, or that Last-Event-ID names, from there on; 204 when there
    is none, which tells an EventSource to stop."""
    session = await call.parts.sessions.read(call.actor, call.path("session_id"))
    given = call.request.headers.get("last-event-id")
    place = read_place(given) if given else None
    async with contextlib.AsyncExitStack() as stack:
        follower = await stack.enter_async_context(
            open_follower(call.gateway, call.actor, session.id)
        )
        run = await _run_at(call, session, place)
        if run is None:
            return Response(status_code=204)
        return _streamed(call, follower, session, run, True, stack.pop_all(), place)


async def _run_at(call: Call, session: Session, place: Place | None) -> Run | None:
    runs = call.parts.store.runs
    if place is None:
        found = await runs.open_in(session.id)
        return found[0] if found else None
    run = await runs.get(session.tenant_id, place.run_id)
    if run is None or run.room_id != session.room_id:
        raise invalid("Last-Event-ID", "must be the id of an event of this session's stream")
    return None if place.done else run


async def cancel(call: Call) -> Answer:
    """Stop what is being written; what there is of the text is kept. Returns once it is stored."""
    session = await call.parts.sessions.read(call.actor, call.path("session_id"))
    async with open_follower(call.gateway, call.actor, session.id) as follower:
        asked = await call.parts.rewriting.cancel(call.actor, session.id)
        ended = await _ended(call, follower, asked)
    session = await call.parts.sessions.read(call.actor, session.id)
    return Answer(session.as_dict() | {"runs": [run.as_dict() for run in ended]})


async def _ended(call: Call, follower: Follower, runs: Sequence[Run]) -> list[Run]:
    """The runs when all have ended, or as they are after a while."""
    now = list(runs)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CANCEL_WAIT_S):
            while True:
                found = [await call.parts.store.runs.get(r.tenant_id, r.id) for r in runs]
                now = [run for run in found if run is not None]
                if all(run.state in ENDED for run in now):
                    break
                await follower.next()
    return now


_ONE = "/v1/sessions/{session_id}"
OPERATIONS = [
    Operation("POST", f"{_ONE}/messages", send, "Send a message to the model", SendMessage,
              keyed=True),
    Operation("PATCH", f"{_ONE}/messages/{{message_id}}", edit,
              "Change the last message, and have it answered again", SendMessage),
    Operation("GET", f"{_ONE}/stream", resume, "Follow the reply that is being written",
              live=True),
    Operation("POST", f"{_ONE}/cancel", cancel, "Stop the reply that is being written"),
    Operation("POST", f"{_ONE}/regenerate", regenerate, "Answer the last message again",
              Regenerate, keyed=True),
]  # fmt: skip
