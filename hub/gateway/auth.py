"""Who is calling, from the header; and whether a browser's Origin may."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from hub.core.errors import Unauthenticated
from hub.core.values import Actor
from hub.service.access import Access


def bearer(headers: Headers) -> str | None:
    """The token of `Authorization: Bearer …`; None without the header."""
    given = headers.getlist("authorization")
    if not given:
        return None
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("use one header Authorization: Bearer <key or token>")
    return token.strip()


async def caller(request: HTTPConnection, access: Access) -> Actor:
    """The authenticated caller of an HTTP request."""
    token = bearer(request.headers)
    if token is None:
        raise Unauthenticated(
            "send your key or token as Authorization: Bearer <key or token>",
            code="AUTH_TOKEN_MISSING",
        )
    return access.cached(token) or await access.authenticate(token)


def origin_allowed(headers: Headers, allowed: tuple[str, ...]) -> bool:
    """Whether a WebSocket handshake may come from this Origin: none (no browser), the hub's own,
    or one of the allowed, compared whole."""
    origin = headers.get("origin")
    if origin is None:
        return True
    if allowed:
        return origin in allowed
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc == headers.get("host")
