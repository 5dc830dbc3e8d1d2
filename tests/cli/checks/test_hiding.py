"""`hub.cli.checks.hiding`: no secret of the settings is said."""

from __future__ import annotations

import pytest

from hub.cli.checks.hiding import hide, passwords_of, place_of
from hub.settings import Settings


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://hub:p@ss/w:rd@db.example:5432/hub", "postgresql://db.example:5432/hub"),
        ("redis://:secret@h/0?password=other", "redis://h/0"),
        ("redis+sentinel://u:p@a,b/m?sentinel_password=x", "redis+sentinel://a,b/m"),
        ("unix:///run/redis.sock?password=x", "unix:///run/redis.sock"),
        ("secret", "what is set"),
    ],
)
def test_where_a_url_leads_is_said_without_who_logs_in(url: str, place: str) -> None:
    assert place == place_of(url)


def test_passwords_are_found_wherever_a_url_may_have_them() -> None:
    url = "redis+sentinel://u:p%40w@a,b/m?sentinel_password=x1&password=y2"
    assert {"p%40w", "p@w", "x1", "y2"} == passwords_of(url)
    assert set() == passwords_of("redis://h:6379/0") | passwords_of(None)


def test_what_others_word_is_one_line_without_secrets() -> None:
    settings = Settings(
        database_url="postgresql://hub:one-secret@db/hub", redis_url="redis://:two@r/0",
        secret_key="three-three-three", metrics_token="four-four-four-four",
        jwt_secret="five-" * 8,
    )  # fmt: skip
    said = f"\none-secret two three-three-three four-four-four-four {'five-' * 8} \x1b\nmore"
    assert "… … … … … \ufffd" == hide(said, settings)
    assert "" == hide("", settings)
