"""`hub.core.times`: integers inside, RFC 3339 at the edges."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from hub.core.times import optional_rfc3339, parse_rfc3339, rfc3339


def test_a_time_has_milliseconds_and_a_z() -> None:
    assert rfc3339(1_779_116_488_004) == "2026-05-18T15:01:28.004Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"


def test_the_kept_second_never_shows_in_another_second() -> None:
    """The text of the last second is kept: jump about and compare with the library."""
    pick = random.Random(7)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for _ in range(2_000):
        ms = pick.choice((1_780_000_000_000, 946_684_799_000)) + pick.randrange(3_000)
        exact = (epoch + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")
        assert rfc3339(ms) == exact.replace("+00:00", "Z")


def test_a_time_survives_the_way_out_and_back() -> None:
    pick = random.Random(8)
    for _ in range(2_000):
        ms = pick.randrange(253_402_300_800_000)
        assert parse_rfc3339(rfc3339(ms)) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.5Z", 500),
        ("1969-12-31T19:00:01-05:00", 1_000),
    ],
)
def test_an_offset_is_taken_off(text: str, ms: int) -> None:
    assert parse_rfc3339(text) == ms


@pytest.mark.parametrize(
    "text",
    ["2026-05-18T15:01:28", "2026-05-18", "yesterday", "", "1780000000", "2026-13-01T00:00Z"],
)
def test_a_time_without_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rfc3339(text)


def test_no_time_stays_none() -> None:
    assert optional_rfc3339(None) is None
    assert optional_rfc3339(1) == "1970-01-01T00:00:00.001Z"
