"""Tickets: single-use stand-ins for a key or token, where that would be seen. Redis has their
digests, and what is behind them: a key's id, or what the token said.

A ticket that is asked for with a request's key is made of it, so that the same request brings the
same ticket and nobody needs to remember it in clear. It stays used when it was used.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import asdict
from typing import Final

import orjson

from hub.core.claims import Claims
from hub.core.errors import Unauthenticated, reused_key
from hub.core.posts import RequestKey
from hub.core.times import rfc3339
from hub.core.values import Actor, Json
from hub.ports import Bus, Clock

WS_TICKET_S: Final = 30
LOGIN_TICKET_S: Final = 600
REQUEST_S: Final = 24 * 3600
_BYTES: Final = 24


class Tickets:
    """Makes tickets and takes them in."""

    def __init__(self, bus: Bus, now_ms: Clock, secret: bytes) -> None:
        self._bus = bus
        self._now_ms = now_ms
        self._secret = secret

    async def make(self, actor: Actor, purpose: str, request: RequestKey | None = None) -> Json:
        """A new one, or what an earlier request of the same key was given. It ends with the key or
        token that it is for, if that comes first."""
        ttl_s = WS_TICKET_S if purpose == "ws" else LOGIN_TICKET_S
        expires_ms = self._now_ms() + ttl_s * 1000
        if actor.expires_ms is not None:
            expires_ms = min(expires_ms, actor.expires_ms)
        about: Json = {"purpose": purpose, "key_id": actor.key_id, "expires_ms": expires_ms}
        if actor.by_token:
            assert actor.expires_ms is not None
            said = Claims(actor.tenant_id, actor.id, actor.expires_ms, actor.scopes)
            about["claims"] = asdict(said)
        raw = secrets.token_bytes(_BYTES) if request is None else self._raw(request)
        ticket = f"rht_{base64.urlsafe_b64encode(raw).decode()}"
        digest, value = _digest(ticket), orjson.dumps(about)
        if request is None:
            await self._bus.put_ticket(digest, value, ttl_s)
        else:
            about = orjson.loads(await self._bus.put_ticket_once(digest, value, ttl_s, REQUEST_S))
        if about["purpose"] != purpose:
            raise reused_key()
        return {"ticket": ticket, "expires_at": rfc3339(about["expires_ms"])}

    def _raw(self, request: RequestKey) -> bytes:
        said = f"ticket {request.scope}\0{request.key}".encode()
        return hmac.new(self._secret, said, hashlib.sha256).digest()[:_BYTES]

    async def take(self, ticket: str, purpose: str) -> str | Claims:
        """The id of the key that it stands for, or the claims of the token, once; Unauthenticated
        when it is not good."""
        value = await self._bus.take_ticket(_digest(ticket))
        about = orjson.loads(value) if value else {}
        if about.get("purpose") != purpose:
            raise Unauthenticated("the ticket is not valid, or was used, or has expired")
        if claims := about.get("claims"):
            return Claims(**claims | {"scopes": tuple(claims["scopes"])})
        return str(about["key_id"])


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode(errors="surrogatepass")).hexdigest()
