"""Following one run from inside the gateway: for a session send that waits or streams.

The room is subscribed before the post commits, the run's row is read again after, and polled as a
fallback; what was missed of the text comes from the stored reply.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from hub.core.errors import Backend, BackendTimeout, HubError, Limited, Unavailable
from hub.core.runs import ENDED
from hub.core.values import Actor, Draft, Json, Message, Run
from hub.gateway.gateway import Gateway
from hub.wire.frames import PLAIN, bodies

POLL_S: Final = 2.0
log = structlog.get_logger("hub.following")
_QUEUE: Final = 512
_QUEUE_BYTES: Final = 262_144


class Replaced(HubError):
    """Another attempt began after part of the reply was passed on."""

    status = 502
    code = "BACKEND_ERROR"


class Follower:
    """A subscriber of one room that keeps what concerns runs: so much of it, since the stored reply
    has it all."""

    straight = None
    congested = False
    coding = PLAIN
    present = False

    def __init__(self, actor: Actor, gateway: Gateway, room_id: str) -> None:
        self.actor = actor
        self._gateway = gateway
        self._room_id = room_id
        self._events: asyncio.Queue[tuple[int, Json]] = asyncio.Queue(_QUEUE)
        self._bytes = 0

    def deliver(self, frames: bytes) -> None:
        for body in bodies(frames):
            if b"run" not in body or self._events.full():
                continue
            event, size = orjson.loads(body), self._bytes + len(body)
            if event["type"] in ("message.delta", "run.finished") and size <= _QUEUE_BYTES:
                self._events.put_nowait((len(body), event["data"]))
                self._bytes = size

    def leave(self) -> None:
        """Hear nothing more; once more is no harm."""
        self._gateway.fanout.leave(self, self._room_id)

    def replay(self, frames: bytes) -> None:
        self.deliver(frames)

    def expelled(self, room_id: str) -> None:
        """The reply was asked for while it was allowed: it is followed to its end."""

    def outdated(self, room_id: str) -> None:
        """The run's row is asked again and again, and has the reply."""

    async def drained(self) -> None:
        return

    async def next(self, run_id: str | None = None) -> Json | None:
        """The next event of this run (or of any), its data; None when none came for a while."""
        try:
            async with asyncio.timeout(POLL_S):
                while True:
                    size, data = await self._events.get()
                    self._bytes -= size
                    if run_id in (None, data.get("run_id")):
                        return data
        except TimeoutError:
            return None


@contextlib.asynccontextmanager
async def open_follower(gateway: Gateway, actor: Actor, room_id: str) -> AsyncIterator[Follower]:
    """A follower that hears everything of the room from now on; while Redis is away it hears
    nothing, and whoever follows has to look at the database."""
    follower = Follower(actor, gateway, room_id)
    try:
        joining = await gateway.fanout.prepare(follower, room_id, None)
        await gateway.fanout.complete(follower, joining)
    except Unavailable as error:
        log.info("a reply is followed in the database alone", reason=error.message)
    try:
        yield follower
    finally:
        follower.leave()


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a reply: the attempt that wrote it, and how many characters there are up to its
    end."""

    text: str
    attempt: int
    end: int


@dataclass(frozen=True, slots=True)
class NoReply:
    """The run was cancelled before its first word."""


class Reading:
    """How much of a reply was passed on, and of which attempt; never of two."""

    def __init__(self, sent: int = 0, attempt: int = 0) -> None:
        self.sent = sent
        self.attempt = attempt

    def take(self, attempt: int, offset: int, text: str) -> Piece | None:
        """What is new in a text that begins at `offset`, if it goes on from what was sent. Raises
        Replaced for a later attempt once something was."""
        if attempt < self.attempt:
            return None
        if attempt > self.attempt and self.sent:
            raise Replaced("the reply was interrupted and begun again; read the session")
        self.attempt = attempt
        fresh = text[self.sent - offset :] if offset <= self.sent else ""
        self.sent += len(fresh)
        return Piece(fresh, attempt, self.sent) if fresh else None


async def texts(
    gateway: Gateway, follower: Follower, run: Run, reading: Reading, *, behind: bool = False
) -> AsyncGenerator[Piece | Message | NoReply, None]:
    """The pieces of the reply as they come, and last the stored message.

    `behind` says that some may have come before the follower listened. Raises what made the run
    fail, and Replaced when another attempt began after the first piece.
    """
    while (state := await _state(gateway, run)).state not in ENDED:
        if behind:
            for draft in await _draft(gateway, run):
                if piece := reading.take(draft.attempt, 0, draft.text):
                    yield piece
            behind = False
        while (event := await follower.next(run.id)) is not None and "text" in event:
            if piece := reading.take(event["attempt"], event["offset"], event["text"]):
                yield piece
            elif event["offset"] > reading.sent:
                behind = True
                break
    async for last in _rest(gateway, state, reading):
        yield last


async def _rest(
    gateway: Gateway, run: Run, reading: Reading
) -> AsyncGenerator[Piece | Message | NoReply, None]:
    """What is left of a reply whose run has ended, then the message."""
    found = await gateway.parts.store.messages.get(run.tenant_id, run.room_id, run.reply_message_id)
    raise_failure(run)
    if found is None:
        if run.state == "cancelled":
            yield NoReply()
            return
        raise _without_message(run)
    if piece := reading.take(run.attempt, 0, found.content):
        yield piece
    yield found


async def _draft(gateway: Gateway, run: Run) -> list[Draft]:
    try:
        return await gateway.parts.bus.drafts(run.room_id, [run.id])
    except Unavailable:  # the stored reply has it all
        return []


async def _state(gateway: Gateway, run: Run) -> Run:
    found = await gateway.parts.store.runs.get(run.tenant_id, run.id)
    if found is None:
        raise Unavailable("the run is gone: its session was erased")
    return found


def _without_message(run: Run) -> HubError:
    """Why a run that has ended left no reply."""
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
