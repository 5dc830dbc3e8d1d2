"""uvicorn's WebSocket protocol, with what a hub adds: frames straight to a connection, prepared
frames straight to the transport, and bounds against clients that mean harm.

Every private part of uvicorn's WebSockets that we lean on is in this file (those of its HTTP in
`http.py`), and uvicorn is pinned.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from hub.core.limits import Bucket
from hub.gateway.bounds import SharedState
from hub.gateway.closes import (
    LATER,
    NOT_UTF8,
    RESTARTING,
    RESUME,
    TOO_BIG,
    TOO_MUCH,
    UNANSWERED,
)
from hub.gateway.deflate import SharedDeflate
from hub.gateway.inbound import take_texts
from hub.gateway.pressure import Backlog, cut

EXTENSION: Final = "roomhub.socket"
SLICE: Final = 16_384
FRAGMENTS: Final = 1_024
EXTRAS_PER_S: Final = 2_000
LATE_BYTES: Final = 1_048_576
_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_VERSION: Final = "Sec-WebSocket-Version"


class FrameSink(Protocol):
    """What a connection is to its socket."""

    def on_frame(self, data: str | bytes) -> None: ...

    def on_congestion(self) -> None:
        """`congested` has changed."""

    def on_closed(self) -> None: ...


class _Tap:
    """Stands in for uvicorn's queue of incoming events: hands them on at once."""

    def __init__(self, sink: FrameSink) -> None:
        self._sink = sink

    def put_nowait(self, event: Any) -> None:
        if event["type"] == "websocket.receive":
            text = event.get("text")
            self._sink.on_frame(event["bytes"] if text is None else text)
        elif event["type"] == "websocket.disconnect":
            self._sink.on_closed()

    def empty(self) -> bool:
        return True


class HubSocket(WebSocketsSansIOProtocol):
    """One WebSocket. `attach` turns it from ASGI events to a `FrameSink`."""

    sink: FrameSink | None = None
    congested = False
    _rest = b""
    _late_bytes = 0
    _owed_pong = b""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, SharedState)
        self._bounds = bounds = server_state.bounds
        self._backlog = Backlog(self, server_state.pressure, self.loop, bounds.stalled_s)
        self.conn.available_extensions = [SharedDeflate()] if bounds.deflate else []
        self._extras = Bucket(EXTRAS_PER_S)

    def attach(self, sink: FrameSink) -> None:
        """From now on frames go to `sink`, those that came before included."""
        early = []
        while not self.queue.empty():
            early.append(self.queue.get_nowait())
        self.sink = sink
        self._forget_handshake()
        tap = _Tap(sink)
        self.queue = tap  # type: ignore[assignment]
        sink.on_congestion()
        for event in early:
            tap.put_nowait(event)
        self.resume()

    def _forget_handshake(self) -> None:
        """What was said there would weigh some kilobytes as long as the connection lasts."""
        self.scope.clear()  # type: ignore[attr-defined]
        del self.request, self.response

    @property
    def deflated(self) -> bool:
        """Whether the client takes compressed frames."""
        return bool(self.conn.extensions)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As uvicorn's, with the addresses that the request knows already: asking the kernel again
        takes longer than all the rest of it."""
        self.transport = cast(asyncio.Transport, transport)
        http = self.transport.get_protocol()
        assert isinstance(http, H11Protocol)
        self.connections.add(self)
        self.server, self.client = http.server, http.client
        self.scheme = "wss" if http.scheme == "https" else "ws"

    # Out.

    @property
    def straight(self) -> Callable[[bytes], None]:
        """`write` without its checks, for as long as the socket is open and not congested."""
        return self.transport.write

    def write(self, frames: bytes) -> None:
        """Send frames that are made already."""
        if self.close_sent or self.disconnected:
            return
        behind = self.congested
        self.transport.write(frames)
        if behind:  # whoever falls behind by this write is weighed with it
            self._backlog.grow(len(frames))

    @property
    def pending_bytes(self) -> int:
        """What was written and has not left this process."""
        return self.transport.get_write_buffer_size()

    async def drained(self) -> None:
        """Returns when little of what was written waits, or the connection is gone."""
        await self.writable.wait()

    def close_with(self, code: int, reason: str) -> None:
        """Send a Close; the connection is cut when the peer does not answer it in time."""
        if self.close_sent or self.disconnected:
            return
        if self.conn.state is State.OPEN:  # else the peer's Close came in the same read
            self.conn.send_close(code, reason)
        self._flush()
        self.close_sent = True
        self.stop_keepalive()
        self.resume()
        self._cut_later()

    def let_go(self) -> None:
        """Cut at once, whatever waits."""
        self._tell_gone()
        self.close_sent = True
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
        rest, self._rest = self._rest, b""
        self.read_paused = False
        self.data_received(rest)
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """A slice at a time: who is refused, or has to wait, in the middle of a large read is not
        served the rest of it."""
        if self.handshake_initiated and not self.handshake_complete:
            self.transport.abort()  # RFC 6455, 4.1: a client waits for the answer
            return
        for start in range(0, len(data), SLICE):
            if self.read_paused and not self.close_sent:
                self._rest += data[start:]
                return
            self._take(data[start : start + SLICE])

    def _take(self, data: bytes) -> None:
        if self.close_sent:
            self._late_bytes += len(data)
            if self._late_bytes > LATE_BYTES:
                self.transport.abort()
                return
        if self.sink is not None:
            texts, data = take_texts(self.conn, data)
            for text in texts:
                self._hand_on(text)
        if data and self.conn.parser_exc is None:
            super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._turn_down(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)

    # What uvicorn calls.

    def handle_connect(self, event: Request) -> None:
        if event.headers.get_all(_VERSION) != ["13"]:
            response = self.conn.reject(426, "This server speaks WebSocket version 13.\n")
            response.headers["Upgrade"] = "websocket"
            response.headers[_VERSION] = "13"
            self.conn.send_response(response)
            self._turn_down(b"".join(self.conn.data_to_send()))
            return
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]
            extensions[EXTENSION] = self
        else:
            self._end()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._set_congested(True)
        self._backlog.begin()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._set_congested(False)
        self._backlog.end()
        owed, self._owed_pong = self._owed_pong, b""
        if owed:
            self.write(owed)

    def _set_congested(self, congested: bool) -> None:
        self.congested = congested
        if self.sink is not None:
            self.sink.on_congestion()

    def eof_received(self) -> None:
        self._tell_gone()
        self._cut_later()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._rest = b""
        self._backlog.end()

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent or not self._afford():
            return
        if len(self.frames) >= FRAGMENTS:
            self._refuse(TOO_BIG, "too many fragments")
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answered; but while the peer reads nothing only the last is kept (RFC 6455, 5.5.3)."""
        pongs = self.conn.data_to_send()
        if self.close_sent or not self._afford() or not pongs:
            return
        if self.congested:
            self._owed_pong = pongs[-1]
        else:
            self.transport.write(b"".join(pongs))

    def handle_pong(self, event: Frame) -> None:
        if self._afford():
            super().handle_pong(event)

    def _afford(self) -> bool:
        """Whether one more frame that is no message of its own is all right."""
        if not self.close_sent and self._extras.take(self.loop.time()):
            self._tell_gone()
            self.close_with(TOO_MUCH, LATER)
        return not self.close_sent

    def send_receive_event_to_app(self) -> None:
        """As uvicorn's, but a sink is called at once, without pausing the reader each time."""
        if self.sink is None or self.close_sent:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.curr_msg_data_type == "bytes":
            self.sink.on_frame(data)
        else:
            self._hand_on(data)

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

    def schedule_ping(self) -> None:
        """As uvicorn's, with jitter: those who came together are not pinged together."""
        assert self.ping_interval is not None
        delay_s = self.ping_interval * random.uniform(0.75, 1)
        self.ping_timer = self.loop.call_later(delay_s, self.send_keepalive_ping)

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self._tell_gone()
        self.close_with(UNANSWERED, "no answer to a ping")

    def handle_close(self, event: Frame) -> None:
        self._flush()  # the answer, unless we were first
        self._tell_gone()
        self._end()

    def handle_parser_exception(self) -> None:
        self._flush()
        self._tell_gone()
        self._end()

    def shutdown(self) -> None:
        if not self.handshake_complete:
            super().shutdown()
            return
        self._tell_gone()
        self.close_with(RESTARTING, RESUME)

    # How it ends.

    def _refuse(self, code: int, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def _turn_down(self, response: bytes) -> None:
        """Answer a handshake that is none."""
        self.handshake_initiated = self.handshake_complete = True
        self.transport.write(response)
        self._end()

    def _flush(self) -> None:
        if output := b"".join(self.conn.data_to_send()):
            self.transport.write(output)

    def _tell_gone(self) -> None:
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def _end(self) -> None:
        """Say that no more comes, and let the peer read what it was sent: closing now would be a
        reset to a peer that is still sending, and lose it."""
        self.close_sent = True
        self.stop_keepalive()
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
        if self.read_paused:
            self.resume()
        self._cut_later()

    def _cut_later(self) -> None:
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(self._bounds.close_s, self._cut)

    def _cut(self) -> None:
        if not self.disconnected:
            cut(self.transport)
