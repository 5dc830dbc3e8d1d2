"""A bot's endpoint for `roomhub bench runs`: answers every webhook with marks that say when each
was sent. Run in a process of its own: `python -m hub.bench.endpoint PORT CHUNKS INTERVAL_S`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

from hub.bench.streamer import Streamer
from hub.wire.sse import DONE, sse


def mark(number: int) -> str:
    """The number of a piece and the moment it is sent, nanoseconds since 1970."""
    return f"{number}:{time.time_ns()} "


def marks(chunks: int) -> Iterator[bytes]:
    """The answer to a webhook, whatever it says."""
    for number in range(chunks):
        yield sse({"text": mark(number)})


def serve(port: int, chunks: int, interval_s: float) -> None:
    """Answer until killed; prints its port when it is ready."""
    asyncio.run(Streamer(lambda asked: marks(chunks), DONE, interval_s).serve(port))


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
