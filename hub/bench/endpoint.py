"""A bot's endpoint for `roomhub bench runs`: answers every webhook with marks that say when each
was sent. Run in a process of its own: `python -m hub.bench.endpoint PORT CHUNKS INTERVAL_S`."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def mark(number: int) -> str:
    """The number of a piece and the moment it is sent, nanoseconds since 1970."""
    return f"{number}:{time.time_ns()} "


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chunks: int, interval_s: float
) -> None:
    """One request, whatever it says: piece 0 at once, the others in their time."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        await reader.readexactly(length)
        writer.write(HEAD)
        for number in range(chunks):
            writer.write(f'data: {{"text":"{mark(number)}"}}\n\n'.encode())
            await writer.drain()
            await asyncio.sleep(interval_s)
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


async def serve(port: int, chunks: int, interval_s: float) -> None:
    """Answer until killed; prints a line when it is ready."""
    server = await asyncio.start_server(
        lambda reader, writer: answer(reader, writer, chunks, interval_s),
        "127.0.0.1", port, backlog=1024,
    )  # fmt: skip
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
