"""`hub.gateway.auth`: what the headers of a request say about its caller."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from hub.core.errors import Unauthenticated
from hub.gateway.auth import bearer, origin_allowed

ALLOWED = ("https://chat.example",)


@pytest.mark.parametrize(
    ("origin", "allowed", "may"),
    [
        (None, (), True),
        (None, ALLOWED, True),
        ("http://hub.example:8080", (), True),
        ("https://hub.example:8080", (), True),
        ("http://hub.example", (), False),
        ("http://hub.example:8080.evil.example", (), False),
        ("http://evil.example", (), False),
        ("file://hub.example:8080", (), False),
        ("null", (), False),
        ("http://[", (), False),
        ("https://chat.example", ALLOWED, True),
        ("https://chat.example.evil.example", ALLOWED, False),
        ("http://chat.example", ALLOWED, False),
        ("http://hub.example:8080", ALLOWED, False),
    ],
)
def test_a_browsers_origin_must_be_the_hubs_own_or_an_allowed_one(
    origin: str | None, allowed: tuple[str, ...], may: bool
) -> None:
    headers = {"host": "hub.example:8080"} | ({"origin": origin} if origin else {})
    assert may == origin_allowed(Headers(headers), allowed)


def test_one_authorization_header_names_a_token() -> None:
    assert bearer(Headers({})) is None
    assert "rhk_1" == bearer(Headers({"authorization": "bearer  rhk_1 "}))
    one, two = (b"authorization", b"Bearer rhk_1"), (b"authorization", b"Bearer rhk_2")
    for bad in ([one, two], [(b"authorization", b"Basic rhk_1")], [(b"authorization", b"Bearer ")]):
        with pytest.raises(Unauthenticated):
            bearer(Headers(raw=bad))
