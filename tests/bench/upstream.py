"""A model's server for `tests.bench.sessions`, in a process of its own: it answers every chat with
words that follow from the last message. `python -m tests.bench.upstream CHUNKS INTERVAL_S`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator

from hub.bench.streamer import Streamer
from hub.wire.sse import DONE, sse


def words(said: str, chunks: int) -> list[str]:
    """The pieces of the reply to a message."""
    return [f"{said}-{n} " for n in range(chunks)]


def chunk(text: str, finish: str | None = None) -> bytes:
    """One chunk of a completion."""
    delta = {"content": text} if text else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return sse(body | {"choices": [choice]})


def reply(asked: bytes, chunks: int) -> Iterator[bytes]:
    """The answer to a chat, all but its end."""
    said = json.loads(asked)["messages"][-1]["content"]
    yield from map(chunk, words(said, chunks))


def serve(chunks: int, interval_s: float) -> None:
    """Answer until killed; prints its port."""
    end = chunk("", "stop") + DONE
    asyncio.run(Streamer(lambda asked: reply(asked, chunks), end, interval_s).serve())


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]))
