"""uvicorn's HTTP protocol on h11, with bounds: how large a head may be, how long a client may take
over it and over the body, how many sockets there are.

uvicorn leaves a socket open for ever that says nothing, half a head, or half a body.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from hub.gateway.bounds import SharedState
from hub.gateway.handshake import Lines, NoHandshake, judge
from hub.gateway.pressure import Backlog, cut
from hub.gateway.protocol import HubSocket
from hub.gateway.refusal import HEAD_BYTES, HEADERS, refusal

_ORIGIN: Final = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
WAITING_BYTES: Final = 16_384  # beyond the kernel's; who is behind by more is counted as such


class BoundedConnection(h11.Connection):
    """h11 bounds only a head that is incomplete; `refusal` is the status for the last error.

    The head of a response whose length is known leaves with the first of its body: each write to a
    socket is a call to the kernel, which costs more than all that h11 does."""

    refusal = 400
    _head = b""

    def next_event(self) -> Any:
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                _check(event)
                event = _in_origin_form(event)
        except h11.RemoteProtocolError as error:
            self.refusal = error.error_status_hint
            raise
        return event

    def send(self, event: h11.Event) -> Any:
        output = super().send(event) or b""
        if isinstance(event, h11.Response) and _has_length(event):
            self._head = output
            return b""
        head, self._head = self._head, b""
        return head + output


def _in_origin_form(request: h11.Request) -> h11.Request:
    """RFC 9112, 3.2.2: a target may be a whole URL, as proxies ask; which host it names is for
    those who came before."""
    origin = _ORIGIN.match(request.target)
    if origin is None:
        return request
    target = b"/" + request.target[origin.end() :].removeprefix(b"/")
    return h11.Request(
        method=request.method,
        headers=request.headers,
        target=target,
        http_version=request.http_version,
    )


def _has_length(response: h11.Response) -> bool:
    return any(name == b"content-length" for name, _ in response.headers)


def _has_body(lines: Lines) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in lines
    )


def _check(request: h11.Request) -> None:
    size = len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
    if size > HEAD_BYTES or len(request.headers) > HEADERS:
        raise h11.RemoteProtocolError("the head is too large", error_status_hint=431)


class HubHttp(H11Protocol):
    """One HTTP connection, until it becomes a WebSocket."""

    _deadline: asyncio.TimerHandle | None = None
    _awaited: object = None
    _cut: asyncio.TimerHandle | None = None

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
        self.conn = BoundedConnection(h11.SERVER, HEAD_BYTES)

    @property
    def pending_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def let_go(self) -> None:
        """Cut at once, whatever waits."""
        self.loop.call_soon(self._cut_now)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WAITING_BYTES)
        if len(self.connections) > self._bounds.sockets:
            transport.abort()
        self._await_rest()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._await_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget_deadline()
        if self._cut is not None:
            self._cut.cancel()
        self._backlog.end()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._backlog.begin()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._backlog.end()

    def shutdown(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()
        if self.transport.is_closing():
            self._cut_later()
        else:
            self.loop.call_later(self._bounds.close_s, self._cut_if_behind)

    def _cut_if_behind(self) -> None:
        """An answer that a client takes is finished, one that it does not ends with the server."""
        if self.flow.write_paused:
            self._cut_now()

    # What a client owes: one deadline for a whole head, one for a whole body.

    def _await_rest(self) -> None:
        if self not in self.connections:  # it is a WebSocket now
            return
        state = self.conn.their_state
        awaited = state if state in (h11.IDLE, h11.SEND_BODY) else None
        if awaited is self._awaited:
            return
        self._forget_deadline()
        if awaited is not None and not self.transport.is_closing():
            within_s = self._bounds.head_s if awaited is h11.IDLE else self._bounds.body_s
            self._awaited = awaited
            self._deadline = self.loop.call_later(within_s, self._too_late)

    def _forget_deadline(self) -> None:
        self._awaited = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        said_something = self._awaited is h11.SEND_BODY or bool(self.conn.trailing_data[0])
        if self.cycle is not None and self.cycle.response_started and not self._between():
            self.transport.abort()
        elif said_something:
            self._refuse(408)
        else:
            self.transport.close()

    def _between(self) -> bool:
        """Whether the last response is out and the next request has not begun to be answered."""
        return self._awaited is h11.IDLE and self.cycle.response_complete

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() and self.pending_bytes:  # nobody pauses it any more
            self._backlog.begin()
        self._forget_deadline()  # uvicorn's keep-alive timer runs until the next byte
        if self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]:
            self._await_rest()

    # What never reaches the application.

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """RFC 6455, 4.1: HTTP/1.1 or later, without a body, and nothing sent before the answer."""
        if event.http_version < b"1.1" or self.conn.trailing_data[0] or _has_body(self.headers):
            self._refuse(400)
            return
        deflate = self._bounds.deflate
        try:
            opening = judge(event.method, event.target, self.headers, deflate=deflate)
        except NoHandshake as refused:
            self._answer(refused.response)
            return
        self._forget_deadline()
        self.connections.discard(self)
        assert isinstance(self.server_state, SharedState)
        socket = HubSocket(self.transport, self.server_state, opening, self.loop)
        self.transport.set_protocol(socket)
        if self.flow.write_paused:  # by answers before it, and nobody is told of that again
            socket.pause_writing()
        socket.serve(self.app, self.scope)
        self._backlog.end()
        del self._backlog  # it knows us as we know it: none of us would be freed for a long time

    def send_400_response(self, msg: str) -> None:
        assert isinstance(self.conn, BoundedConnection)
        self._refuse(self.conn.refusal)

    def _refuse(self, status: int) -> None:
        """Answer, unless an answer is under way, and let the client read it before the cut."""
        self._forget_deadline()
        answering = self.cycle is not None and self.cycle.response_started
        self._answer(b"" if answering and not self.cycle.response_complete else refusal(status))

    def _answer(self, response: bytes) -> None:
        if response:
            self.transport.write(response)
        self.transport.close()
        self._cut_later()

    def _cut_later(self) -> None:
        if self._cut is None:
            self._cut = self.loop.call_later(self._bounds.close_s, self._cut_now)

    def _cut_now(self) -> None:
        if self in self.connections:
            cut(self.transport)
