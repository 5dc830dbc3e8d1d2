"""Keeping secrets out of what is said: where a URL leads, and errors that others have worded."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from hub.cli.show import printable
from hub.settings import Settings

_IN_QUERY: Final = re.compile(r"[?&](?:sentinel_)?password=([^&]+)")


def place_of(url: str) -> str:
    """A URL without who logs in, and without its options."""
    scheme, found, rest = url.partition("://")
    if not found:
        return "what is set"
    return printable(f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}")


def passwords_of(url: str | None) -> set[str]:
    """The passwords in a URL, as they stand there and as they are meant."""
    if not url:
        return set()
    login, found, _ = url.partition("://")[2].rpartition("@")
    given = {login.partition(":")[2] if found else "", *_IN_QUERY.findall(url)}
    return {each for one in given for each in (one, unquote(one)) if each}


def hide(text: object, settings: Settings) -> str:
    """The first line of what an error says, without the secrets of the settings."""
    first = next(iter(str(text).strip().splitlines()), "")
    secret = passwords_of(settings.database_url) | passwords_of(settings.redis_url)
    own = (settings.secret_key, settings.metrics_token, settings.jwt_secret)
    secret |= {each for each in own if each}
    for each in sorted(secret, key=len, reverse=True):
        first = first.replace(each, "…")
    return printable(first)
