"""The lease of a run: renewed in time, given up as soon as another attempt has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hub.core.errors import Unavailable
from hub.core.values import Run
from hub.parts import Parts
from workers.patience import PATIENCE_S


class Lost(Exception):
    """This attempt no longer holds the run."""


async def keep_lease(parts: Parts, held: Callable[[], Run], cut: Callable[[str], None]) -> None:
    """Renew the lease of the run that is `held` until cancelled, and `cut` it when somebody asked
    for its end. Raises Lost when another attempt has taken it over.

    While the database is away nobody can take it over either: the work goes on, and what is
    written at its end is fenced by the attempt. After a minute it is given up.
    """
    settings, loop = parts.settings, asyncio.get_running_loop()
    lease_ms = int(settings.lease_s * 1000)
    heard = loop.time()
    while True:
        await asyncio.sleep(settings.lease_renew_s)
        run = held()
        try:
            async with asyncio.timeout(settings.lease_s):
                kept = await parts.store.runs.renew(run.id, run.attempt, lease_ms)
        except (Unavailable, TimeoutError):
            if loop.time() > heard + settings.lease_s + PATIENCE_S:
                raise Lost from None
            continue
        if kept is None and run.attempt == held().attempt:
            raise Lost
        if kept is not None and kept.cancelled_by:
            cut(kept.cancelled_by)
        heard = loop.time()
