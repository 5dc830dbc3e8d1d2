"""The processes that share a port. The kernel hands a scraper to any of them, so each asks the
others: every one has a Unix socket, and tells its figures to whoever connects.

The sockets are made before the processes are, in a folder that nobody else can enter; a process
that is started again goes on with the one it had.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import orjson
import structlog
from prometheus_client import Metric

ANSWER_S: Final = 1.0
Own = Callable[[], Sequence[Metric]]
log = structlog.get_logger("hub.metrics")


@contextlib.contextmanager
def open_family(count: int) -> Iterator[list[socket.socket]]:
    """A listening socket for each of so many processes. OSError where there can be none."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roomhub-")))
        listeners = []
        for number in range(count):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(str(folder / str(number)))
            listener.listen()
            listeners.append(listener)
        yield listeners


class Siblings:
    """The family as one of its processes sees it, the one of this `number`."""

    def __init__(self, number: int, listeners: Sequence[socket.socket]) -> None:
        self._number = number
        self._own = listeners[number]
        self._paths = [str(listener.getsockname()) for listener in listeners]

    @contextlib.asynccontextmanager
    async def telling(self, own: Own) -> AsyncIterator[None]:
        """Tell the others what they ask for while the context lasts; once, since all end with one
        that ends. The last takes the folder away, should their parent have been killed."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                writer.write(_packed(own()))
                await writer.drain()
            except OSError as error:
                log.info("a sibling did not wait for figures", reason=str(error))
            finally:
                writer.close()

        server = await asyncio.start_unix_server(answer, sock=self._own.dup())
        try:
            yield
        finally:
            server.close()
            self._clear_away()

    def _clear_away(self) -> None:
        path = Path(self._paths[self._number])
        with contextlib.suppress(OSError):
            path.unlink()
            path.parent.rmdir()

    async def ask(self, own: Sequence[Metric]) -> dict[int, Sequence[Metric] | None]:
        """What each tells, by its number; None for one that does not answer in time."""
        numbers = range(len(self._paths))
        others = [number for number in numbers if number != self._number]
        told = await asyncio.gather(*(_read(self._paths[number]) for number in others))
        found = dict(zip(others, told, strict=True)) | {self._number: own}
        return {number: found[number] for number in numbers}


async def _read(path: str) -> Sequence[Metric] | None:
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return _unpacked(await reader.read(-1))
            finally:
                writer.close()
    except (OSError, TimeoutError, orjson.JSONDecodeError) as error:
        log.warning("a process tells no figures now", reason=str(error) or "it does not answer")
        return None


def _packed(families: Sequence[Metric]) -> bytes:
    return orjson.dumps(
        [
            (f.name, f.documentation, f.type, [(s.name, s.labels, s.value) for s in f.samples])
            for f in families
        ]
    )


def _unpacked(data: bytes) -> list[Metric]:
    found = []
    for name, about, kind, samples in orjson.loads(data):
        family = Metric(name, about, kind)
        for sample in samples:
            family.add_sample(*sample)
        found.append(family)
    return found
