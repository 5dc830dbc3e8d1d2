"""`hub.process`: what a start says never has a password in it."""

from __future__ import annotations

import pytest

from hub.process import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://u:secret@h:1/0", "redis://u:…@h:1/0"),
        ("redis://h/0?password=secret&db=1", "redis://h/0?password=…&db=1"),
        (
            "redis+sentinel://:secret@h,i:2/main?sentinel_password=secret",
            "redis+sentinel://:…@h,i:2/main?sentinel_password=…",
        ),
    ],
)
def test_a_url_is_shown_without_its_passwords(url: str, shown: str) -> None:
    assert shown == without_password(url)
