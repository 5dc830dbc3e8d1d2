"""A WebSocket after its handshake, as uvicorn's HTTP protocol hands it on: frames straight to a
connection, prepared frames straight to the transport, and bounds against clients that mean harm.

uvicorn's own class keeps the handshake, a queue, events and a task for as long as the socket lasts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, Protocol

import structlog
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from hub.core.limits import Bucket
from hub.gateway.bounds import FRAME_BYTES, SharedState
from hub.gateway.closes import (
    LATER,
    NOT_UTF8,
    RESTARTING,
    RESUME,
    TOO_BIG,
    TOO_MUCH,
    UNANSWERED,
)
from hub.gateway.handshake import Opening
from hub.gateway.heartbeat import Heartbeat
from hub.gateway.inbound import take_texts
from hub.gateway.pressure import Backlog, Unread, cut
from hub.gateway.refusal import refusal
from hub.gateway.volley import aim_at

EXTENSION: Final = "roomhub.socket"
SLICE: Final = 16_384
FRAGMENTS: Final = 1_024
EXTRAS_PER_S: Final = 2_000
LATE_BYTES: Final = 1_048_576
log = structlog.get_logger("hub.socket")
_parsing = logging.getLogger("hub.parser")
Application = Callable[[Any, Any, Any], Awaitable[None]]


class FrameSink(Protocol):
    """What a connection is to its socket."""

    def on_frame(self, data: str | bytes) -> None: ...

    def on_closed(self) -> None: ...


class HubSocket(asyncio.Protocol):
    """One WebSocket. `serve` asks the application to `open` it or to `turn_away` who wants it;
    from then on it calls its sink. There are many that are silent: what one does not need yet,
    such as the general parser, is not made."""

    __slots__ = (
        "_backlog", "_conn", "_extras", "_head", "_late_bytes", "_opening", "_owed_pong", "_state",
        "_unread", "_writable", "aim", "close_sent", "close_timer", "congested",
        "curr_msg_data_type", "disconnected", "frames", "heartbeat", "loop", "owes", "quiet",
        "read_paused", "sink", "transport",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        state: SharedState,
        opening: Opening,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.transport = transport
        self.loop = loop
        self.sink: FrameSink | None = None
        self._state = state
        self._opening: Opening | None = opening
        self._head = b""
        self.aim = 0
        self.owes = False  # what is written next has something to take along
        self.quiet = True  # not yet opened, or ended: nothing more is written
        self.congested = self.close_sent = self.disconnected = self.read_paused = False
        self._conn: ServerProtocol | None = None
        self._backlog: Backlog | None = None
        self._extras: Bucket | None = None
        self._writable: asyncio.Event | None = None
        self._unread: Unread | None = None
        self._owed_pong = b""
        self._late_bytes = 0
        self.frames: list[bytes] = []
        self.curr_msg_data_type: Literal["text", "bytes"] = "bytes"
        self.heartbeat: Heartbeat | None = None
        self.close_timer: asyncio.TimerHandle | None = None
        state.connections.add(self)  # type: ignore[arg-type]

    # How it begins.

    def serve(self, app: Application, scope: Mapping[str, Any]) -> None:
        """Ask the application, which does not stay longer than it takes to let somebody in."""
        task = self.loop.create_task(self._serve(app, scope))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    async def _serve(self, app: Application, scope: Mapping[str, Any]) -> None:
        try:
            await app({**scope, "type": "websocket", "extensions": {EXTENSION: self}}, None, None)
        except Exception:
            log.exception("a socket failed")
        if self._opening is not None:
            self.turn_away(500)
        elif self.sink is None:
            self.close_with(RESTARTING, RESUME)

    @property
    def deflated(self) -> bool:
        """Whether the client takes compressed frames."""
        if self._opening is not None:
            return bool(self._opening.extensions)
        return bool(self._conn is not None and self._conn.extensions)

    def open(self, sink: FrameSink, subprotocol: str | None = None) -> None:
        """Let the client in: frames go to `sink` from now on. The answer to the handshake leaves
        with what is written first, or by `opened`: each write is a call to the kernel."""
        opening, self._opening = self._opening, None
        if opening is None or self.disconnected:
            sink.on_closed()
            return
        if opening.extensions:
            self.conn.extensions = list(opening.extensions)
        self.sink, self.aim = sink, aim_at(self.transport)
        self._head = opening.response(subprotocol)
        if self._state.bounds.heartbeat_s > 0:
            self.heartbeat = Heartbeat(self, self.loop, self._state.bounds.heartbeat_s)

    def opened(self) -> None:
        """All that is to be said at once has been said."""
        if self._head:
            self.write(b"")

    def turn_away(self, status: int) -> None:
        """Answer the handshake with an error."""
        self._opening = None
        if not self.disconnected:
            self.transport.write(refusal(status))
            self._end()

    @property
    def conn(self) -> ServerProtocol:
        """The general parser."""
        if self._conn is None:
            self._conn = ServerProtocol(state=State.OPEN, max_size=FRAME_BYTES, logger=_parsing)
        return self._conn

    # Out.

    def write(self, frames: bytes) -> None:
        """Send frames that are made already."""
        if self.quiet:
            if not self._head:
                return
            self.quiet, frames, self._head = False, self._head + frames, b""
        behind = self.congested
        self.transport.write(frames)
        if self._held:
            self._state.apart.sockets.add(self)
        if behind:  # whoever falls behind by this write is weighed with it
            self._weighed.grow(len(frames))

    def owe(self) -> None:
        """Until further notice nothing is written to it but by its sink."""
        self.owes = True
        self._state.apart.sockets.add(self)

    @property
    def waiting(self) -> bool:
        return self.owes or self._held

    @property
    def _held(self) -> bool:
        """Whether something written has not left, or never will."""
        return self.transport.get_write_buffer_size() > 0 or self.transport.is_closing()

    @property
    def pending_bytes(self) -> int:
        """What was written and has not left this process."""
        return self.transport.get_write_buffer_size()

    @property
    def _weighed(self) -> Backlog:
        if self._backlog is None:
            state = self._state
            self._backlog = Backlog(self, state.pressure, self.loop, state.bounds.stalled_s)
        return self._backlog

    async def drained(self) -> None:
        """Returns when little of what was written waits, or the connection is gone."""
        if self._writable is not None:
            await self._writable.wait()

    def close_with(self, code: int, reason: str) -> None:
        """Send a Close; the connection is cut when the peer does not answer it in time."""
        if self.close_sent or self.disconnected:
            return
        if self.conn.state is State.OPEN:  # else the peer's Close came in the same read
            self.conn.send_close(code, reason)
            self._state.counts.closed[code] += 1
        self._flush()
        self._hush()
        self.stop_keepalive()
        self.resume()
        self._cut_later()

    def let_go(self) -> None:
        """Cut at once, whatever waits."""
        self._tell_gone()
        self._hush()
        self.loop.call_soon(self._cut)

    # In.

    def pause(self) -> None:
        """Take no more until `resume`: the client sends faster than it is served."""
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.read_paused:
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self.read_paused:
            return
        rest = self._unread.take() if self._unread is not None else b""
        self.read_paused = False
        self.data_received(rest)
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """A slice at a time: who is refused, or has to wait, in the middle of a large read is not
        served the rest of it."""
        if self._opening is not None:
            self.transport.abort()  # RFC 6455, 4.1: a client waits for the answer
            return
        for start in range(0, len(data), SLICE):
            if self.read_paused and not self.close_sent:
                self._keep(data[start:])
                return
            self._take(data[start : start + SLICE])

    def _keep(self, rest: bytes) -> None:
        if self._unread is None:
            self._unread = Unread(self, self._state.pressure)
        self._unread.keep(rest)

    def _take(self, data: bytes) -> None:
        if self.close_sent:
            self._late_bytes += len(data)
            if self._late_bytes > LATE_BYTES:
                self.transport.abort()
                return
        texts, data = take_texts(self._conn, data, FRAME_BYTES)
        for text in texts:
            self._hand_on(text)
        if data and self.conn.parser_exc is None:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Whatever is no whole text frame."""
        self.conn.receive_data(data)
        if self.conn.parser_exc is not None:
            self.handle_parser_exception()
            return
        for event in self.conn.events_received():
            assert isinstance(event, Frame)
            self._handle(event)

    def _handle(self, event: Frame) -> None:
        if event.opcode is Opcode.CONT:
            self.handle_cont(event)
        elif event.opcode is Opcode.PING:
            self.handle_ping()
        elif event.opcode is Opcode.PONG:
            self.handle_pong(event)
        elif event.opcode is Opcode.CLOSE:
            self.handle_close()
        else:
            self.curr_msg_data_type = "text" if event.opcode is Opcode.TEXT else "bytes"
            self.frames = [bytes(event.data)]
            if event.fin:
                self._hand_on_message()

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent or not self._afford():
            return
        if len(self.frames) >= FRAGMENTS:
            self._refuse(TOO_BIG, "too many fragments")
            return
        self.frames.append(bytes(event.data))
        if event.fin:
            self._hand_on_message()

    def _hand_on_message(self) -> None:
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.curr_msg_data_type == "text":
            self._hand_on(data)
        elif self.sink is not None and not self.close_sent:
            self.sink.on_frame(data)

    def _hand_on(self, data: bytes) -> None:
        """A text message, unless a Close was sent or received."""
        if self.sink is None or self.close_sent:
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._refuse(NOT_UTF8, "a text frame must be UTF-8")
        else:
            self.sink.on_frame(text)

    # Pings, theirs and ours.

    def handle_ping(self) -> None:
        """Answered; but while the peer reads nothing only the last is kept (RFC 6455, 5.5.3)."""
        pongs = self.conn.data_to_send()
        if self.close_sent or not self._afford() or not pongs:
            return
        if self.congested:
            self._owed_pong = pongs[-1]
        else:
            self.write(b"".join(pongs))

    def handle_pong(self, event: Frame) -> None:
        if self._afford() and self.heartbeat is not None:
            self.heartbeat.answered(bytes(event.data))

    def _afford(self) -> bool:
        """Whether one more frame that is no message of its own is all right."""
        if self._extras is None:
            self._extras = Bucket(EXTRAS_PER_S)
        if not self.close_sent and self._extras.take(self.loop.time()):
            self._tell_gone()
            self.close_with(TOO_MUCH, LATER)
        return not self.close_sent

    def unanswered(self) -> None:
        self._tell_gone()
        self.close_with(UNANSWERED, "no answer to a ping")

    def stop_keepalive(self) -> None:
        if self.heartbeat is not None:
            self.heartbeat.end()
            self.heartbeat = None

    # How much waits for the peer.

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()
        self.congested = True
        self._weighed.begin()

    def resume_writing(self) -> None:
        self._flow()
        self.congested = False
        self._weighed.end()
        owed, self._owed_pong = self._owed_pong, b""
        if owed:
            self.write(owed)

    def _flow(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # How it ends.

    def handle_close(self) -> None:
        self._flush()  # the answer, unless we were first
        self._tell_gone()
        self._end()

    def handle_parser_exception(self) -> None:
        if (close := self.conn.close_sent) is not None:
            self._state.counts.closed[close.code] += 1
        self._flush()
        self._tell_gone()
        self._end()

    def shutdown(self) -> None:
        """The server stops."""
        if self._opening is not None:
            self.turn_away(500)
            return
        self._tell_gone()
        self.close_with(RESTARTING, RESUME)

    def eof_received(self) -> None:
        self._tell_gone()
        self._cut_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self.aim = 0
        self.owes = False
        self._state.apart.lose(self)
        self.stop_keepalive()
        self._tell_gone()
        self._state.connections.discard(self)
        self._hush()
        self.disconnected = True
        self._flow()
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = None
        if self._unread is not None:
            self._unread.take()
        self._unread = None
        if self._backlog is not None:
            self._backlog.end()
        self._backlog = self.sink = None  # they know us as we know them

    def _refuse(self, code: int, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if output := head + b"".join(self.conn.data_to_send()):
            self.transport.write(output)

    def _tell_gone(self) -> None:
        if self.sink is not None:
            self.sink.on_closed()

    def _hush(self) -> None:
        """Nothing more is written, but what the parser has to say."""
        self.close_sent = self.quiet = True
        self._head = b""

    def _end(self) -> None:
        """Say that no more comes, and let the peer read what it was sent: closing now would be a
        reset to a peer that is still sending, and lose it."""
        self._hush()
        self.stop_keepalive()
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
        if self.read_paused:
            self.resume()
        self._cut_later()

    def _cut_later(self) -> None:
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(self._state.bounds.close_s, self._cut)

    def _cut(self) -> None:
        if not self.disconnected:
            cut(self.transport)
