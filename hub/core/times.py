"""Times are integers of milliseconds since 1970 inside, RFC 3339 in UTC at the edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MS = 253_402_300_799_999


@lru_cache(maxsize=1_024)
def rfc3339(ms: int) -> str:
    """`2026-05-18T15:01:28.004Z`; most calls are for the same few milliseconds."""
    second, rest = divmod(ms, 1000)
    return f"{_to_the_second(second)}.{rest:03d}Z"


@lru_cache(maxsize=16)
def _to_the_second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def optional_rfc3339(ms: int | None) -> str | None:
    """As `rfc3339`, None for None."""
    return None if ms is None else rfc3339(ms)


def parse_rfc3339(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time; ValueError when it has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset such as Z")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def day_of(ms: int) -> str:
    """`2026-05-18`, in UTC."""
    return rfc3339(ms)[:10]
