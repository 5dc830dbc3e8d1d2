"""`roomhub restored`: the database was put back from a copy, so no client's cursor is good."""

from __future__ import annotations

import asyncio
import secrets

from hub.bootstrap import prepare_database
from hub.cli.lock import running_address
from hub.cli.reach import Stop
from hub.settings import Settings
from hub.store.migrate import UnusableDatabase
from hub.store.opening import is_postgres, open_store


def renew_epochs(settings: Settings) -> int:
    """Give every room another epoch; returns how many there are. A client that comes back is told
    `recovered: false` instead of being given the middle of another history."""
    if not is_postgres(settings.database) and running_address(settings.data_dir):
        raise Stop("the hub is running on this data directory; stop it, then say this again")
    try:
        prepare_database(settings)
    except UnusableDatabase as error:
        raise Stop(str(error)) from None
    return asyncio.run(_renew(settings.database))


async def _renew(url: str) -> int:
    async with open_store(url) as store:
        return await store.log.renew_all(secrets.token_hex(4))
