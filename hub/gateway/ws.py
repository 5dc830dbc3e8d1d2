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
TICKET_CHARS: Final = 200


class WebSocketApp:
    """The ASGI end of the socket."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket: HubSocket = scope["extensions"][EXTENSION]
        await receive()
        chosen = next((each for each in scope.get("subprotocols", []) if each in PROTOCOLS), None)
        await send({"type": "websocket.accept", "subprotocol": chosen})
        connection_id = self._gateway.parts.ids.make("conn")
        coding = Coding(packed=chosen == PACKED_PROTOCOL, deflated=socket.deflated)
        connection = Connection(connection_id, socket, self._gateway, now_ms, coding)
        address, _ = scope.get("client") or ("", 0)
        try:
            self._gateway.seats.take(connection, address)
            connection.greet(await self._admit(Headers(scope=scope), scope["query_string"]))
            socket.attach(connection)
            await connection.run()
        except Full:
            socket.close_with(TOO_MUCH, LATER)
        except Refused as refusal:
            socket.close_with(refusal.code, refusal.reason)
        finally:
            self._gateway.seats.leave(connection)
            socket.close_with(RESTARTING, RESUME)  # only what failed is open still

    async def _admit(self, headers: Headers, query: bytes) -> Actor | None:
        """Who it is, when the handshake says so; Refused when it may not come in."""
        gateway = self._gateway
        if gateway.stopping:
            raise Refused(RESTARTING, RESUME)
        if not origin_allowed(headers, gateway.parts.settings.allowed_origins):
            raise Refused(FORBIDDEN, "this Origin may not connect")
        try:
            if token := bearer(headers):
                return await gateway.parts.access.authenticate(token)
            if ticket := QueryParams(query).get("ticket"):
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
        self.reason = reason.encode()[:REASON_BYTES].decode(errors="ignore")
