"""A process of the hub: why it cannot start, its loop, its signals."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import signal
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

from hub.core.errors import HubError
from hub.parts import Parts
from hub.settings import Settings
from hub.store.opening import is_postgres


class CannotStart(Exception):
    """Why the hub does not start, in one line."""


def innermost(error: BaseException) -> BaseException:
    """The first error of a group, of whatever groups it is in; any other is itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


# Most objects of a hub die with their message; looking for circles among them every 700 costs a
# tenth of the throughput and shows as pauses.
COLLECT: Final = (100_000, 50, 1_000)
# A thread that waits for Python's lock gets it after so many seconds from a loop that is busy; the
# thread that writes to SQLite needs it several times a transaction.
SWITCH_S: Final = 0.001


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one."""
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    gc.set_threshold(*COLLECT)
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


def check_folder(folder: Path) -> None:
    """Make the data directory, for its owner alone; CannotStart when it cannot be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / ".write-test"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise CannotStart(
            f"the data directory {folder} cannot be written ({error.strerror}); "
            "set HUB_DATA_DIR to one that can"
        ) from None


async def reach_redis(parts: Parts) -> None:
    """CannotStart when Redis does not answer."""
    try:
        await parts.bus.ping()
    except HubError as error:
        where = without_password(parts.settings.redis_url or "the embedded Valkey")
        raise CannotStart(f"{where}: {error.message}; check HUB_REDIS_URL") from None


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return re.sub(r"(password=)[^&]*", r"\1…", re.sub(r"(://[^:@/]*):[^@/]*@", r"\1:…@", url))


def check_shared(settings: Settings, command: str) -> str:
    """The Redis URL; CannotStart unless database, Redis and secret can be shared by processes."""
    if not is_postgres(settings.database) or settings.redis_url is None:
        raise CannotStart(
            f"roomhub {command} shares its database and Redis with other processes: set "
            "HUB_DATABASE_URL to postgresql://… and HUB_REDIS_URL; for one process use roomhub up"
        )
    if settings.secret_key is None:
        raise CannotStart("set HUB_SECRET_KEY to the same random text on every gateway and worker")
    return settings.redis_url


@contextlib.contextmanager
def stop_signals(stopping: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stopping`; one place, in the loop's own thread."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
