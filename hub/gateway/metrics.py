"""`GET /metrics`: what Prometheus reads, and who may.

Scrapers come without a key, and figures of a hub tell about all of its tenants. So by default only
the machine itself is told; everybody else needs HUB_METRICS_TOKEN, which then holds for all.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.core.errors import Unauthenticated
from hub.gateway.auth import bearer
from hub.gateway.figures import of_gateway
from hub.gateway.gateway import Gateway
from hub.metrics.figures import Figures
from hub.metrics.siblings import Siblings
from hub.metrics.text import text_of

Guard = Callable[[Request], None]
"""Raises Unauthenticated for who may not read."""
FORWARDED: Final = (
    "cf-connecting-ip", "forwarded", "true-client-ip", "via", "x-client-ip", "x-forwarded-",
    "x-real-ip",
)  # fmt: skip
"""How the names of headers begin by which a proxy says for whom it asks."""


def figures_of(gateway: Gateway, siblings: Siblings | None = None) -> Figures:
    """All that is told of a gateway's process."""
    return Figures(gateway.parts, partial(of_gateway, gateway), siblings=siblings)


def metrics_route(figures: Figures, guard: Guard) -> Route:
    async def metrics(request: Request) -> Response:
        guard(request)
        text, kind = text_of(await figures.all(), request.headers.get("accept", ""))
        headers = {"content-type": kind, "cache-control": "no-store"}
        return Response(text, headers=headers)

    return Route("/metrics", metrics, methods=["GET"])


def guard_of_hub(token: str | None) -> Guard:
    """Of the port that clients come to."""
    return partial(_knows, token) if token else _is_here


def guard_of_port(token: str | None) -> Guard:
    """Of a port for metrics alone: who can reach it may read, unless there is a token."""
    return partial(_knows, token) if token else lambda request: None


def _knows(token: str, request: Request) -> None:
    given = bearer(request.headers)
    if given is None:
        raise Unauthenticated(
            "send HUB_METRICS_TOKEN as Authorization: Bearer <token>", code="AUTH_TOKEN_MISSING"
        )
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise Unauthenticated("this is not HUB_METRICS_TOKEN")


def _is_here(request: Request) -> None:
    """It was sent from this machine, to this machine, and not by a proxy for somebody else. Where
    it was sent to tells a web page that has its own name lead here, and most proxies."""
    peer = request.client.host if request.client else ""
    forwarded = any(name.startswith(FORWARDED) for name in request.headers)
    if forwarded or not _is_loopback(peer) or not _is_loopback(_host(request)):
        raise Unauthenticated(
            "metrics are told to this machine alone; set HUB_METRICS_TOKEN for others",
            code="AUTH_TOKEN_MISSING",
        )


def _host(request: Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
