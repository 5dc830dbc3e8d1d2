"""`GET /v1/ws`: the handshake, then a connection on the socket itself."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from hub.core.errors import HubError, Unauthenticated
from hub.core.values import Actor
from hub.gateway.auth import bearer, origin_allowed
from hub.gateway.connection import FORBIDDEN, NOT_AUTHENTICATED, TOO_MUCH, Connection
from hub.gateway.gateway import RESTARTING, RESUME, Gateway
from hub.gateway.protocol import EXTENSION, HubSocket
from hub.parts import now_ms

JSON_PROTOCOL: Final = "roomhub.v1.json"
PACKED_PROTOCOL: Final = "roomhub.v1.msgpack"
PROTOCOLS: Final = (JSON_PROTOCOL, PACKED_PROTOCOL)
TICKET_CHARS: Final = 200


class WebSocketApp:
    """The ASGI end of the socket."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, query = Headers(scope=scope), QueryParams(scope["query_string"])
        socket: HubSocket = scope["extensions"][EXTENSION]
        await receive()
        offered = scope.get("subprotocols", [])
        chosen = next((name for name in offered if name in PROTOCOLS), None)
        await send({"type": "websocket.accept", "subprotocol": chosen})
        connection_id = self._gateway.parts.ids.make("conn")
        packed = chosen == PACKED_PROTOCOL
        connection = Connection(connection_id, socket, self._gateway, now_ms, packed=packed)
        try:
            actor = await self._admit(headers, query)
        except Refused as refusal:
            socket.close_with(refusal.code, refusal.reason)
            return
        self._gateway.sockets += 1
        try:
            connection.greet(actor)
            socket.attach(connection)
            await connection.run()
        finally:
            self._gateway.sockets -= 1

    async def _admit(self, headers: Headers, query: QueryParams) -> Actor | None:
        """Who it is, when the handshake says so; Refused when it may not come in."""
        gateway = self._gateway
        if gateway.stopping:
            raise Refused(RESTARTING, RESUME)
        if gateway.sockets >= gateway.parts.settings.max_connections:
            raise Refused(TOO_MUCH, '{"retry_s":5}')
        if not origin_allowed(headers, gateway.parts.settings.allowed_origins):
            raise Refused(FORBIDDEN, "this Origin may not connect")
        try:
            if token := bearer(headers):
                return await gateway.parts.access.authenticate(token)
            if ticket := query.get("ticket"):
                return await gateway.parts.access.redeem(ticket[:TICKET_CHARS], "ws")
        except Unauthenticated as error:
            raise Refused(NOT_AUTHENTICATED, error.message) from error
        except HubError as error:
            raise Refused(RESTARTING, RESUME) from error
        return None


class Refused(Exception):
    """A client that may not come in, with the close code and reason it is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason[:120]
