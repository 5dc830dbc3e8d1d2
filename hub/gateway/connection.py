"""One WebSocket client: who it is, what it asks, what it is sent.

Life: greeting (see `greeting.py`) -> open -> closed. A frame is taken the moment it is read; posts
to a known room go straight to the writer, everything else is done in order by a task (see
`doing.py`), which there is only while there is something to do.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import ceil
from time import monotonic
from typing import Any, Final, Protocol

import orjson
import structlog

from hub.core.errors import HubError, Limited, Unauthenticated, invalid, only_reads
from hub.core.limits import Bucket
from hub.core.posts import Outcome, Posted, StaleAccess
from hub.core.times import optional_rfc3339, rfc3339
from hub.core.values import Actor, Json, why_gone
from hub.enduring import tell
from hub.gateway.bounds import FRAME_BYTES
from hub.gateway.closes import (
    EXPIRED,
    LATER,
    NOT_AUTHENTICATED,
    RESTARTING,
    RESUME,
    REVOKED,
    SLOW,
    TOO_MUCH,
    retry,
)
from hub.gateway.commands import (
    READING,
    Auth,
    PlainPost,
    Post,
    command_id,
    decoded,
    parsed,
    plain_post,
)
from hub.gateway.crowd import Target
from hub.gateway.desk import Desk
from hub.gateway.doing import ROOMS, Doing, posted_reply
from hub.gateway.gateway import Gateway
from hub.gateway.greeting import Greeting
from hub.gateway.seats import Full
from hub.ports import Clock
from hub.wire.bodies import Body
from hub.wire.events import ephemeral_frame, error_frame, event_of, reply_frame, stored_frame
from hub.wire.frames import PLAIN, Coding, frame

INBOX: Final = 256
IN_FLIGHT: Final = 256
HELD_BYTES: Final = 131_072
EXPIRING_MS: Final = 60_000
_POSTS: Final = (Post, PlainPost)
log = structlog.get_logger("hub.connection")


class Socket(Target, Protocol):
    """What a connection needs of its WebSocket."""

    congested: bool
    owes: bool

    def owe(self) -> None: ...

    @property
    def pending_bytes(self) -> int: ...

    async def drained(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close_with(self, code: int, reason: str) -> None: ...


class Connection:
    """A client of the gateway, as a `FrameSink` of its socket and a `Joiner` of feeds. There are
    many that say nothing for hours: what they do not need yet is not made."""

    __slots__ = (
        "__weakref__", "_acks", "_actor", "_allowed", "_gateway", "_greeting",
        "_held_bytes", "_in_flight", "_inbox", "_most_pending", "_now_ms", "_offers_due",
        "_parts", "_patience", "_socket", "_warned", "_working", "closed", "coding", "desk", "id",
        "present", "rooms", "straight", "typed",
    )  # fmt: skip

    def __init__(
        self,
        connection_id: str,
        socket: Socket,
        gateway: Gateway,
        now_ms: Clock,
        coding: Coding = PLAIN,
    ) -> None:
        self.id = connection_id
        self.coding = coding
        self.straight: Target | None = socket if coding == PLAIN else None
        self.present = True
        self.rooms: set[str] = set()
        self.typed: dict[tuple[str, str | None], float] = {}
        self._socket = socket
        self._gateway = gateway
        self._parts = gateway.parts
        self._now_ms = now_ms
        self._most_pending = gateway.parts.settings.pending_bytes
        self._actor: Actor | None = None
        self.closed = False
        self._greeting: Greeting | None = None
        self._inbox: list[tuple[Any, Body, int]] = []
        self._working = False
        self._in_flight = 0
        self._held_bytes = 0
        self._allowed = Bucket(gateway.parts.settings.commands_per_s)
        self._patience = Bucket(gateway.parts.settings.commands_per_s)
        self.desk = Desk(gateway.parts.answers, connection_id)
        self._offers_due = False
        self._warned: int | None = None
        self._acks: list[bytes] = []

    # What others ask of it.

    @property
    def actor(self) -> Actor:
        assert self._actor is not None
        return self._actor

    @property
    def congested(self) -> bool:
        return self._socket.congested

    def deliver(self, frames: bytes) -> None:
        """Write; a client that has let too much pile up is told to come back and resume."""
        if self.closed:
            return
        self._socket.write(self._take_acks() + frames if self._acks else frames)
        if self._socket.congested and self._socket.pending_bytes > self._most_pending:
            self.close(SLOW, "slow, resume")

    def replay(self, frames: bytes) -> None:
        if not self.closed:
            self._socket.write(frames)

    async def drained(self) -> None:
        """Replay is paced by the client: wait while it has much to read."""
        await self._socket.drained()

    def expelled(self, room_id: str) -> None:
        self.rooms.discard(room_id)
        about = {"room_id": room_id}
        self._say(ephemeral_frame("room.removed", room_id, self._now_ms(), about))

    def outdated(self, room_id: str) -> None:
        """The client comes back, and learns that its cursor is of another log."""
        self.close(RESTARTING, RESUME)

    def close(self, code: int, reason: str) -> None:
        """Close, and leave every broadcast set in the same call."""
        if not self.closed:
            self.flush_acks()
            self._socket.close_with(code, reason)
            self.on_closed()

    def close_if_expired(self, now_ms: int) -> None:
        """A minute before it is warned, so that there is time to send another `auth`."""
        expires = self.actor.expires_ms
        if expires is None:
            return
        if expires <= now_ms:
            self.close(EXPIRED, f"the {self.actor.proof} has expired; authenticate again")
        elif expires - now_ms <= EXPIRING_MS and self._warned != expires:
            self._warned = expires
            about = {"expires_at": rfc3339(expires)}
            self._say(event_of("auth.expiring", about, now_ms))

    def on_closed(self) -> None:
        while self.rooms:
            self._gateway.fanout.leave(self, self.rooms.pop())
        if self.closed:
            return
        self.closed = True
        self.straight = None
        self._gateway.connections.discard(self)
        self._gateway.seats.leave(self)
        if self._greeting is not None:
            self._greeting.end()
        if self._actor is not None:
            self._gateway.personal.leave(self)
        self._give_back()

    def _give_back(self) -> None:
        """What a bot had taken is free when it is gone."""
        if not self.desk.empty:
            self._go_on()

    # Life.

    def greet(self, actor: Actor | None) -> None:
        """`actor` is given when the handshake said who it is: then hello comes before all else."""
        if actor is None:
            self._greeting = Greeting(self._too_late, packed=self.coding.packed)
        else:
            self._admit(actor)

    def _too_late(self) -> None:
        self.close(NOT_AUTHENTICATED, "not authenticated in time")

    def _admit(self, actor: Actor) -> None:
        self._actor = actor
        try:
            self._gateway.seats.known(self, actor.key_id)
        except Full:
            self.close(TOO_MUCH, LATER)
            return
        if self._parts.access.revoked(actor.key_id):  # since it was authenticated
            self.close(REVOKED, why_gone(actor.key_id))
            return
        self._gateway.connections.add(self)
        self._gateway.counts.sockets += 1
        self._say_hello()
        self._gateway.personal.join(self)
        greeting, self._greeting = self._greeting, None
        for data in greeting.take_early() if greeting else ():
            self.on_frame(data)

    async def _authenticate(self, auth: Auth) -> None:
        try:
            actor = await self._parts.access.authenticate_socket(auth.token)
        except Unauthenticated as error:
            self.close(NOT_AUTHENTICATED, error.message)
        except Exception as error:
            tell(log, "a client could not be authenticated now", error)
            self.close(RESTARTING, RESUME)
        else:
            if not self.closed:
                if auth.id is not None:
                    self._reply(auth.id, {})
                self._admit(actor)

    async def refresh(self, token: str) -> Json:
        """Go on by another key or token of the same participant; the data of the reply."""
        actor = await self._parts.access.authenticate_socket(token)
        if (actor.tenant_id, actor.id) != (self.actor.tenant_id, self.actor.id):
            raise invalid("token", "must be of the same participant")
        if self._parts.access.revoked(actor.key_id):  # since it was authenticated
            raise Unauthenticated(why_gone(actor.key_id))
        try:
            self._gateway.seats.known(self, actor.key_id)
        except Full:
            raise Limited(f"this {actor.proof} has too many connections", retry_after=5) from None
        self._actor = actor
        return {"expires_at": optional_rfc3339(actor.expires_ms)}

    def _say_hello(self) -> None:
        hello = {
            "type": "hello",
            "connection_id": self.id,
            "participant": self.actor.author.as_dict(),
            "expires_at": optional_rfc3339(self.actor.expires_ms),
            "heartbeat_s": self._parts.settings.heartbeat_s,
            "limits": {
                "frame_bytes": FRAME_BYTES,
                "rooms": ROOMS,
                "commands_per_s": self._parts.settings.commands_per_s,
            },
        }
        self._say(frame(orjson.dumps(hello)))

    def _go_on(self) -> None:
        """Work while there is something to do."""
        if not self._working:
            self._working = True
            self._gateway.errands.begin(self._work())

    async def _work(self) -> None:
        try:
            await self._do_all()
        except Exception as error:
            tell(log, "a connection cannot be served", error)
            self._working = False
            self.close(RESTARTING, RESUME)
            self._give_back()
        except asyncio.CancelledError:  # the gateway stops, or a library let it leak out
            self.close(RESTARTING, RESUME)
            raise
        else:
            self._working = False

    async def _do_all(self) -> None:
        """Commands in their order, then offers; when the client is gone, what it leaves behind."""
        doing = Doing(self, self._gateway, self.desk, self._now_ms)
        while not self.closed and (self._inbox or self._offers_due):
            await (self._do_next(doing) if self._inbox else self._offer())
        if self.closed:
            await self.desk.close()

    async def _do_next(self, doing: Doing) -> None:
        about, command, size = self._inbox[0]
        try:
            await doing.do(command, partial(self._reply, about))
        except HubError as error:
            self._refuse(about, error)
        except Exception:
            log.exception("a command failed", command=type(command).__name__)
            self._refuse(about, HubError("the hub failed; try again"))
        del self._inbox[0]
        self._gave(size)

    # Runs of a bot that has no other address.

    def reoffer(self) -> None:
        if self.actor.author.is_ai and self.actor.may_write:
            self._offers_due = True
            self._go_on()

    async def _offer(self) -> None:
        """Tell of the runs that wait for this participant."""
        self._offers_due = False
        try:
            for run in await self._parts.answers.offered(self.actor):
                self._say(self._parts.answers.offer_frame(run))
        except HubError as error:
            log.warning("runs are not offered now", reason=error.message)

    def withdraw(self, run_id: str) -> None:
        self._say(event_of("run.withdrawn", {"run_id": run_id}, self._now_ms()))

    # Frames in.

    def on_frame(self, data: str | bytes) -> None:
        if self.closed:
            return
        if self._actor is None:
            self._greet(data)
            return
        about: Any = None
        now_s = monotonic()
        wait_s = self._allowed.take(now_s)
        if wait_s and self._patience.take(now_s):
            self.close(TOO_MUCH, retry(1 + ceil(wait_s)))
            return
        try:
            value = decoded(data, packed=self.coding.packed)
            about = command_id(value)
            if wait_s:
                raise Limited("too many commands; send fewer", retry_after=wait_s)
            said = plain_post(value) or parsed(value)
            if not (self._actor.may_write or isinstance(said, READING)):
                raise only_reads()
            hot = type(said) in _POSTS and not self._inbox
            if hot and self._submit(about, said, value, len(data)):  # type: ignore[arg-type]
                return
            command = said if isinstance(said, Body) else parsed(value)
        except HubError as error:
            self._refuse(about, error)
            return
        self._queue(about, command, len(data))

    def _greet(self, data: str | bytes) -> None:
        assert self._greeting is not None
        try:
            if auth := self._greeting.take(data):
                self._gateway.errands.begin(self._authenticate(auth))
        except Unauthenticated as error:
            self.close(NOT_AUTHENTICATED, error.message)

    def _queue(self, about: Any, command: Body, size: int) -> None:
        self._inbox.append((about, command, size))
        self._go_on()
        self._took(size)

    def _took(self, size: int) -> None:
        """Who sends faster than it is served is not read meanwhile."""
        self._held_bytes += size
        full = len(self._inbox) >= INBOX or self._in_flight >= IN_FLIGHT
        if full or self._held_bytes > HELD_BYTES:
            self._socket.pause()

    def _gave(self, size: int) -> None:
        self._held_bytes -= size
        room = len(self._inbox) < INBOX // 2 and self._in_flight < IN_FLIGHT // 2
        if room and self._held_bytes <= HELD_BYTES // 2:
            self._socket.resume()

    def _submit(self, about: Any, post: Post | PlainPost, value: Json, size: int) -> bool:
        """The hot path of a post that came as `value`; False sends it the slow way."""

        def done(outcome: Outcome) -> None:
            self._in_flight -= 1
            self._gave(size)
            if isinstance(outcome, Posted):
                self._acknowledge(
                    reply_frame(about, posted_reply(outcome))
                    if outcome.runs
                    else stored_frame(about, outcome.message_id, outcome.seq)
                )
            elif isinstance(outcome, StaleAccess):
                self._parts.views.forget(post.room_id)
                self._queue(about, parsed(value), size)
            else:
                self._refuse(about, outcome)

        queued = self._parts.messages.try_submit(
            self.actor, post.room_id, post, post.thread_id, done
        )
        if queued:
            self._in_flight += 1
            self._took(size)
        return queued

    # Out.

    def _say(self, frames: bytes) -> None:
        self.deliver(self.coding.encode(frames))

    def _reply(self, about: Any, data: dict[str, Any]) -> None:
        self._say(reply_frame(about, data))

    def _acknowledge(self, reply: bytes) -> None:
        """Many posts are stored by one transaction: their replies leave in one write, with the
        events they made if the client follows the room."""
        if self.closed:
            return
        self._acks.append(reply)
        if len(self._acks) == 1:
            self._socket.owe()
            self._gateway.answer_soon(self)

    def flush_acks(self) -> None:
        if self._acks:
            self.deliver(b"")

    def _take_acks(self) -> bytes:
        acks, self._acks = self._acks, []
        self._socket.owes = False
        return self.coding.encode(b"".join(acks))

    def _refuse(self, about: Any, error: HubError) -> None:
        self._gateway.counts.refused[error.code] += 1
        self._say(error_frame(about, error.as_dict()))
