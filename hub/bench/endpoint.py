"""A bot's endpoint for `roomhub bench runs`: answers every webhook with marks that say when each
was sent. Run in a process of its own: `python -m hub.bench.endpoint PORT CHUNKS INTERVAL_S`."""

from __future__ import annotations

import asyncio
import sys
import time

from hub.bench.streamer import Streamer
from hub.wire.sse import DONE, sse


def mark(number: int) -> bytes:
    """A piece of an answer: its number and the moment it is sent, nanoseconds since 1970."""
    return sse({"text": f"{number}:{time.time_ns()} "})


def serve(port: int, chunks: int, interval_s: float) -> None:
    """Answer until killed; prints its port when it is ready."""
    asyncio.run(Streamer(lambda asked: mark, chunks, DONE, interval_s).serve(port))


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
