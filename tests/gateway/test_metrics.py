"""`hub.gateway.metrics`: who may read what Prometheus reads."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from starlette.requests import Request

from hub.core.errors import Unauthenticated
from hub.gateway.metrics import guard_of_hub, guard_of_port

TOKEN = "a-token-of-at-least-16"
HERE = {"host": "127.0.0.1:8000"}


def request(headers: Mapping[str, str], peer: str | None = "127.0.0.1") -> Request:
    return Request(
        {
            "type": "http", "method": "GET", "path": "/metrics", "query_string": b"",
            "client": (peer, 4) if peer is not None else None,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_the_machine_itself_is_told_without_a_token(host: str, peer: str) -> None:
    guard_of_hub(None)(request({"host": host}, peer))


@pytest.mark.parametrize(
    "peer", ["10.0.0.8", "192.0.2.1", "::2", "::ffff:192.0.2.1", "0.0.0.0", "", None]
)
def test_others_are_not_told_without_a_token(peer: str | None) -> None:
    with pytest.raises(Unauthenticated, match="HUB_METRICS_TOKEN"):
        guard_of_hub(None)(request(HERE, peer))


@pytest.mark.parametrize(
    "host", ["chat.example", "127.0.0.1.evil.example", "", "[", "localhost.evil.example:80"]
)
def test_a_name_that_only_leads_here_is_not_here(host: str) -> None:
    """A web page whose name was pointed at this machine, or a proxy's clients."""
    with pytest.raises(Unauthenticated):
        guard_of_hub(None)(request({"host": host}))


@pytest.mark.parametrize(
    "header",
    ["forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-proto", "cf-connecting-ip"],
)
def test_who_comes_through_a_proxy_is_not_here(header: str) -> None:
    with pytest.raises(Unauthenticated):
        guard_of_hub(None)(request(HERE | {header: "127.0.0.1"}))


@pytest.mark.parametrize("guard", [guard_of_hub, guard_of_port])
def test_a_token_holds_for_everybody_and_everywhere(guard: object) -> None:
    check = guard(TOKEN)  # type: ignore[operator]
    check(request({"authorization": f"Bearer {TOKEN}"}, "192.0.2.1"))
    for wrong in (
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        "Bearer tökén",
        f"Bearer {TOKEN[1:]}",
    ):
        with pytest.raises(Unauthenticated):
            check(request(HERE | {"authorization": wrong}))
    with pytest.raises(Unauthenticated) as refused:
        check(request(HERE))
    assert "AUTH_TOKEN_MISSING" == refused.value.code


def test_a_port_for_metrics_alone_is_open_without_a_token() -> None:
    guard_of_port(None)(request({"host": "workers.internal:9464"}, "10.0.0.8"))
