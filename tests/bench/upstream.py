"""A model's server for `tests.bench.sessions`, in a process of its own: it answers every chat with
words that follow from the last message. `python -m tests.bench.upstream CHUNKS INTERVAL_S`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable

from hub.bench.streamer import Streamer
from hub.wire.sse import DONE, sse


def word(said: str, number: int) -> str:
    """A piece of the reply to a message."""
    return f"{said}-{number} "


def chunk(text: str, finish: str | None = None) -> bytes:
    """One chunk of a completion."""
    delta = {"content": text} if text else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return sse(body | {"choices": [choice]})


def reply(asked: bytes) -> Callable[[int], bytes]:
    """What makes the pieces of the answer to a chat."""
    said = json.loads(asked)["messages"][-1]["content"]
    return lambda number: chunk(word(said, number))


def serve(chunks: int, interval_s: float) -> None:
    """Answer until killed; prints its port."""
    end = chunk("", "stop") + DONE
    asyncio.run(Streamer(reply, chunks, end, interval_s).serve())


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]))
