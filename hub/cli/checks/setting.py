"""Whether the settings can work together, beyond each being right by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import httpx

from hub.cli.checks.finding import Finding, doubtful, failed, well
from hub.models.registry import WrongModel
from hub.parts import make_registry
from hub.settings import Settings, unread
from hub.store.migrate import UnusableDatabase
from hub.store.opening import is_postgres

PART: Final = "settings"
_SECRET_CHARS: Final = 16
_EVERYWHERE: Final = ("0.0.0.0", "::")


def is_shared(settings: Settings) -> bool:
    """Whether several processes may share the database and Redis."""
    try:
        return is_postgres(settings.database) and settings.redis_url is not None
    except UnusableDatabase:
        return False


async def check_settings(settings: Settings) -> list[Finding]:
    """Of settings that could be read."""
    source = os.environ.get("HUB_CONFIG")
    read = f"HUB_CONFIG ({source}) and the environment" if source else "the environment"
    found = [*_faults(settings), *_doubts(settings)]
    return found or [well(PART, f"read from {read}")]


def _faults(settings: Settings) -> Iterator[Finding]:
    try:
        make_registry(settings, httpx.AsyncClient(trust_env=False))
    except WrongModel as error:
        yield failed(PART, error.message, "correct it in the file that HUB_CONFIG names")
    try:
        is_postgres(settings.database)
    except UnusableDatabase as error:
        yield failed(PART, str(error), "correct HUB_DATABASE_URL, or unset it for SQLite")


def _doubts(settings: Settings) -> Iterator[Finding]:
    for name in unread(settings):
        yield doubtful(
            PART, f"{name} is set, but there is no such setting",
            "see the table of settings in deploy/README.md",
        )  # fmt: skip
    for slug, model in settings.models.items():
        for name in model.api_key_env:
            if not os.environ.get(name):
                yield doubtful(
                    PART, f"the model {slug} takes its key from {name}, which is not set here",
                    f"export {name} where the hub and its workers are started",
                )  # fmt: skip
    if is_shared(settings) and settings.secret_key is None:
        yield doubtful(
            PART, "HUB_SECRET_KEY is not set, and neither gateways nor workers start without",
            "set it to the same random text on each of them: openssl rand -hex 24",
        )  # fmt: skip
    elif settings.secret_key is not None and len(settings.secret_key) < _SECRET_CHARS:
        yield doubtful(
            PART, f"HUB_SECRET_KEY has fewer than {_SECRET_CHARS} characters",
            "take one that nobody guesses: openssl rand -hex 24",
        )  # fmt: skip
    if settings.host in _EVERYWHERE and settings.public_url is None:
        yield doubtful(
            PART, f"bots are told to answer at {settings.address}, which is no address to reach",
            "set HUB_PUBLIC_URL to the one that clients use",
        )  # fmt: skip
