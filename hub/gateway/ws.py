"""`GET /v1/ws`: the handshake, then a connection on the socket itself."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from hub.core.errors import HubError, Unauthenticated
from hub.core.values import Actor
from hub.gateway.auth import bearer, origin_allowed
from hub.gateway.closes import (
    FORBIDDEN,
    LATER,
    NOT_AUTHENTICATED,
    REASON_BYTES,
    RESTARTING,
    RESUME,
    TOO_MUCH,
)
from hub.gateway.connection import Connection
from hub.gateway.gateway import Gateway
from hub.gateway.protocol import EXTENSION, HubSocket
from hub.gateway.seats import Full
from hub.parts import now_ms
from hub.wire.frames import Coding

JSON_PROTOCOL: Final = "roomhub.v1.json"
PACKED_PROTOCOL: Final = "roomhub.v1.msgpack"
PROTOCOLS: Final = (JSON_PROTOCOL, PACKED_PROTOCOL)
SOCKET_PATH: Final = "/v1/ws"
TICKET_CHARS: Final = 200


class WebSocketApp:
    """The ASGI end of the socket: who is let in is served by the socket itself from then on."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket: HubSocket = scope["extensions"][EXTENSION]
        if scope["path"] != SOCKET_PATH:
            socket.turn_away(404)
            return
        headers = Headers(scope=scope)
        chosen = _subprotocol(headers)
        connection_id = self._gateway.parts.ids.make("conn")
        coding = Coding(packed=chosen == PACKED_PROTOCOL, deflated=socket.deflated)
        connection = Connection(connection_id, socket, self._gateway, now_ms, coding)
        try:
            actor = await self._admit(connection, headers, scope)
        except Refused as refusal:
            self._gateway.seats.leave(connection)
            socket.open(connection, chosen)
            socket.close_with(refusal.code, refusal.reason)
            return
        except BaseException:
            self._gateway.seats.leave(connection)
            raise
        socket.open(connection, chosen)
        if not connection.closed:
            connection.greet(actor)
        socket.opened()

    async def _admit(self, connection: Connection, headers: Headers, scope: Scope) -> Actor | None:
        """Who it is, when the handshake says so; Refused when it may not come in."""
        try:
            token = bearer(headers)
            ticket = None if token else QueryParams(scope["query_string"]).get("ticket")
            address, _ = scope.get("client") or ("", 0)
            self._gateway.seats.take(connection, None if token or ticket else address)
            if self._gateway.stopping:
                raise Refused(RESTARTING, RESUME)
            if not origin_allowed(headers, self._gateway.parts.settings.allowed_origins):
                raise Refused(FORBIDDEN, "this Origin may not connect")
            return await self._authenticate(token, ticket)
        except Full:
            raise Refused(TOO_MUCH, LATER) from None
        except Unauthenticated as error:
            raise Refused(NOT_AUTHENTICATED, error.message) from error
        except HubError as error:
            raise Refused(RESTARTING, RESUME) from error

    async def _authenticate(self, token: str | None, ticket: str | None) -> Actor | None:
        access = self._gateway.parts.access
        if token:
            return access.cached(token) or await access.authenticate(token)
        return await access.redeem(ticket[:TICKET_CHARS], "ws") if ticket else None


def _subprotocol(headers: Headers) -> str | None:
    """Ours that the client would rather have."""
    for line in headers.getlist("sec-websocket-protocol"):
        for offered in line.split(","):
            if offered.strip() in PROTOCOLS:
                return offered.strip()
    return None


class Refused(Exception):
    """A client that may not come in, with the close code and reason it is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:REASON_BYTES].decode(errors="ignore")
