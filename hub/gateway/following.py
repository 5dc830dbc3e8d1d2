"""Following one run from inside the gateway: for a session send that waits or streams.

The room is subscribed before the post commits, the run's row is read again after, and polled as a
fallback; what was missed of the text comes from the stored reply.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import orjson

from hub.core.errors import Backend, BackendTimeout, Conflict, HubError, Limited, Unavailable
from hub.core.runs import ENDED
from hub.core.values import Actor, Message, Run
from hub.gateway.gateway import Gateway
from hub.wire.frames import PLAIN, bodies

POLL_S: Final = 2.0
_QUEUE: Final = 10_000


class Replaced(HubError):
    """Another attempt began after part of the reply was passed on."""

    status = 502
    code = "BACKEND_ERROR"


class Follower:
    """A subscriber of one room that keeps what concerns runs."""

    congested = False
    coding = PLAIN
    present = False

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._events: asyncio.Queue[dict[str, object]] = asyncio.Queue(_QUEUE)

    def deliver(self, frames: bytes) -> None:
        for body in bodies(frames):
            if b"run" not in body:
                continue
            event = orjson.loads(body)
            if event["type"] in ("message.delta", "run.finished"):
                with contextlib.suppress(asyncio.QueueFull):  # the stored reply has it all
                    self._events.put_nowait(event)

    def replay(self, frames: bytes) -> None:
        self.deliver(frames)

    def expelled(self, room_id: str) -> None:
        """The reply was asked for while it was allowed: it is followed to its end."""

    def outdated(self, room_id: str) -> None:
        """The run's row is asked again and again, and has the reply."""

    async def drained(self) -> None:
        return

    async def next(self, run_id: str) -> dict[str, object] | None:
        """The next event of this run, None when none came for a while."""
        try:
            async with asyncio.timeout(POLL_S):
                while True:
                    event = await self._events.get()
                    data = event["data"]
                    if isinstance(data, dict) and data.get("run_id") == run_id:
                        return event
        except TimeoutError:
            return None


@contextlib.asynccontextmanager
async def open_follower(gateway: Gateway, actor: Actor, room_id: str) -> AsyncIterator[Follower]:
    """A follower that hears everything of the room from now on."""
    follower = Follower(actor)
    joining = await gateway.fanout.prepare(follower, room_id, None)
    try:
        await gateway.fanout.complete(follower, joining)
        yield follower
    finally:
        gateway.fanout.leave(follower, room_id)


async def texts(
    gateway: Gateway, follower: Follower, run: Run
) -> AsyncGenerator[str | Message, None]:
    """The pieces of the reply as they come, and last the stored message.

    Raises what made the run fail, and Replaced when another attempt began after the first piece.
    """
    sent, attempt = 0, 0
    while True:
        state = await _state(gateway, run)
        if state.state in ENDED:
            break
        event = await follower.next(run.id)
        while event is not None and event["type"] == "message.delta":
            data = event["data"]
            assert isinstance(data, dict)
            if data["attempt"] > attempt and sent:
                raise Replaced("the reply was interrupted and begun again; read the session")
            attempt = max(attempt, data["attempt"])
            fresh = data["text"][sent - data["offset"] :] if data["offset"] <= sent else ""
            if data["attempt"] == attempt and fresh:
                sent += len(fresh)
                yield fresh
            event = await follower.next(run.id)
    message = await gateway.parts.store.messages.get(
        run.tenant_id, run.room_id, run.reply_message_id
    )
    raise_failure(state)
    if message is None:
        raise _without_message(state)
    if state.attempt != attempt and sent:
        raise Replaced("the reply was interrupted and begun again; read the session")
    if len(message.content) > sent:
        yield message.content[sent:]
    yield message


async def _state(gateway: Gateway, run: Run) -> Run:
    found = await gateway.parts.store.runs.get(run.tenant_id, run.id)
    if found is None:
        raise Unavailable("the run is gone: its session was erased")
    return found


def _without_message(run: Run) -> HubError:
    """Why a run that has ended left no reply."""
    if run.state == "cancelled":
        return Conflict("the reply was cancelled before its first word", code="RUN_STATE")
    if run.state == "suppressed":
        return Limited(run.reason or "the run was held back", code="BUDGET_EXCEEDED")
    if run.state == "silent":
        return Backend("the model said nothing")
    return Unavailable("the reply is gone")


def raise_failure(run: Run) -> None:
    """Raise the error a failed run ended with, as its caller should see it."""
    if run.state != "failed":
        return
    error = run.error or {}
    code, message = error.get("code", "BACKEND_ERROR"), error.get("message", "the model failed")
    if code == "BACKEND_TIMEOUT":
        raise BackendTimeout(message)
    if code == "MODEL_UNAVAILABLE":
        raise Unavailable(message, code=code)
    raise Backend(message, code=code)
