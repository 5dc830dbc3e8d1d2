"""uvicorn's WebSocket protocol, with what a hub adds: frames straight to a connection, prepared
frames straight to the transport, and bounds against clients that mean harm.

Every private part of uvicorn that we lean on is in this file, and uvicorn is pinned.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

EXTENSION: Final = "roomhub.socket"
FRAGMENTS: Final = 1024
CONTROL_BYTES: Final = 65_536
ABORT_S: Final = 5.0


_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class FrameSink(Protocol):
    """What a connection is to its socket."""

    def on_frame(self, data: str | bytes) -> None: ...

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
    _control_bytes = 0

    def attach(self, sink: FrameSink) -> None:
        """From now on frames go to `sink`, those that came before included."""
        early = []
        while not self.queue.empty():
            early.append(self.queue.get_nowait())
        self.sink = sink
        tap = _Tap(sink)
        self.queue = tap  # type: ignore[assignment]
        for event in early:
            tap.put_nowait(event)
        self.resume()

    def write(self, frames: bytes) -> None:
        """Send frames that are made already."""
        if not self.close_sent and not self.disconnected:
            self.transport.write(frames)

    @property
    def pending_bytes(self) -> int:
        """What was written and has not left this process."""
        return self.transport.get_write_buffer_size()

    async def drained(self) -> None:
        """Returns when little of what was written waits, or the connection is gone."""
        await self.writable.wait()

    def pause(self) -> None:
        """Read no more until `resume`: the client sends faster than it is served."""
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def close_with(self, code: int, reason: str) -> None:
        """Send a Close; the connection is cut when the peer does not answer it in time."""
        if self.close_sent or self.disconnected:
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.resume()
        self.close_timer = self.loop.call_later(ABORT_S, self.transport.abort)

    # What uvicorn calls.

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(_BAD_REQUEST)
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]
            extensions[EXTENSION] = self

    def pause_writing(self) -> None:
        super().pause_writing()
        self.congested = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.congested = False
        self._control_bytes = 0

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= FRAGMENTS:
            self._refuse(1009, "too many fragments")
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """Pongs are written whether the peer reads or not: cut a peer that lets them pile up."""
        super().handle_ping()
        self._control_bytes += 64
        if self.congested and self._control_bytes > CONTROL_BYTES:
            self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        """As uvicorn's, but a sink is called at once, without pausing the reader each time."""
        if self.sink is None or self.close_sent:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.curr_msg_data_type == "bytes":
            self.sink.on_frame(data)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._refuse(1007, "a text frame must be UTF-8")
            return
        self.sink.on_frame(text)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.loop.call_later(ABORT_S, self.transport.abort)

    def _refuse(self, code: int, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()
