"""A model's server for `tests.bench.sessions`, in a process of its own: it answers every chat with
words that follow from the last message. `python -m tests.bench.upstream CHUNKS INTERVAL_S`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
DONE: Final = b"data: [DONE]\n\n"


def words(said: str, chunks: int) -> list[str]:
    """The pieces of the reply to a message."""
    return [f"{said}-{n} " for n in range(chunks)]


def chunk(text: str, finish: str | None = None) -> bytes:
    """One chunk of a completion."""
    delta = {"content": text} if text else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return b"data: " + json.dumps(body | {"choices": [choice]}).encode() + b"\n\n"


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chunks: int, interval_s: float
) -> None:
    """One request: the first piece at once, the others in their time."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        asked = json.loads(await reader.readexactly(length))
        writer.write(HEAD)
        for piece in words(asked["messages"][-1]["content"], chunks):
            writer.write(chunk(piece))
            await writer.drain()
            await asyncio.sleep(interval_s)
        writer.write(chunk("", "stop") + DONE)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


async def serve(chunks: int, interval_s: float) -> None:
    """Answer until killed; prints its port."""
    server = await asyncio.start_server(
        lambda reader, writer: answer(reader, writer, chunks, interval_s),
        "127.0.0.1", 0, backlog=1024,
    )  # fmt: skip
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
