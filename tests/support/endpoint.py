"""Endpoints for tests, in processes of their own: what happened in one, and what a test may ask it.

A route reads one call and answers it; HTTP is written by hand. Beside what a route makes of it:

POST /open    opens every gate there is
GET  /sent    {"requests": [{path, headers, body}], …}
GET  /stats   {"requests", "open", "disconnects", "waiting", "models"}; with a query such as
              ?disconnects=2 it answers once the count is at least that
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit

Json = dict[str, object]


class ClientGone(Exception):
    """The client closed its side while it was being answered."""


@dataclass
class State:
    """What has happened so far; `changed` wakes whoever waits for a count."""

    dice: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    requests: list[Json] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    gates: set[asyncio.Event] = field(default_factory=set)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def count(self, name: str, by: int = 1) -> None:
        async with self.changed:
            self.counts[name] += by
            self.changed.notify_all()

    def stats(self) -> dict[str, object]:
        names = ("requests", "open", "disconnects", "waiting")
        return {**{name: self.counts[name] for name in names}, "models": dict(self.models)}


async def until_gone(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(1024):
            pass
    raise ClientGone


async def tell(writer: asyncio.StreamWriter, data: Json) -> None:
    body = json.dumps(data).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
    await writer.drain()


async def answer_stats(writer: asyncio.StreamWriter, state: State, query: str) -> None:
    wanted = {name: int(value) for name, value in parse_qsl(query)}
    async with state.changed:
        await state.changed.wait_for(
            lambda: all(state.counts[name] >= least for name, least in wanted.items())
        )
    await tell(writer, state.stats())


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read whole, and where its answer goes."""

    url: SplitResult
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: State


async def read_call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: State
) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request, *lines = head.strip().split("\r\n")
    headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(urlsplit(request.split(" ")[1]), headers, body, reader, writer, state)


async def told(call: Call, sent: Json) -> None:
    """What a test asks an endpoint: to open the gates, what was sent, how often what happened."""
    if call.url.path == "/open":
        gates, call.state.gates = call.state.gates, set()
        for gate in gates:
            gate.set()
        await tell(call.writer, {"opened": len(gates)})
    elif call.url.path == "/sent":
        await tell(call.writer, sent | {"requests": call.state.requests})
    else:
        await answer_stats(call.writer, call.state, call.url.query)


async def serve(route: Callable[[Call], Awaitable[None]]) -> None:
    """Print port and seed, and answer by `route` until the standard input ends."""
    seed = random.SystemRandom().randrange(2**32)
    state = State(random.Random(seed))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.count("open")
        try:
            await route(await read_call(reader, writer, state))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            await state.count("open", -1)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], seed, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
