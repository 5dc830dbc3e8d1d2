"""`python -m tests.bench.first_byte`: what a hub adds to the first piece of a model's reply.

The same model server is asked directly and through a hub, in turns, at `POST /v1/chat/completions`
and as a message of a session, which goes through the database, Redis and the worker pool.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final
from urllib.parse import urlsplit

from tests.models.server import run_model_server
from tests.support.hub import HubProcess, run_hub

SLUG: Final = "bench"
FIRST: Final = re.compile(rb'"content": ?"[^"]')
WARM_UP: Final = 20
Ask = Callable[[], Awaitable[float]]


async def first_piece_ms(url: str, body: Any, key: str = "") -> float:
    """From before the connection is opened to the first text of a streamed reply."""
    parts, data = urlsplit(url), json.dumps(body).encode()
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
            f"Authorization: Bearer {key}\r\n\r\n".encode()
            + data
        )
        heard = b""
        while not FIRST.search(heard):
            more = await reader.read(65_536)
            if not more:
                raise SystemExit(f"no text came from {url}: {heard.decode(errors='replace')}")
            heard += more
        took = time.perf_counter() - began
        while await reader.read(65_536):  # to its end: nothing of it disturbs the next
            pass
        return took * 1000
    finally:
        writer.close()


async def measure(asks: dict[str, Ask], times: int, together: int) -> dict[str, list[float]]:
    """Each way in turns, `together` at a time."""
    found: dict[str, list[float]] = {name: [] for name in asks}
    for turn in range(-WARM_UP // together, times // together):
        for name, ask in asks.items():
            took = await asyncio.gather(*(ask() for _ in range(together)))
            found[name] += took if turn >= 0 else []
    return found


def sessions_of(hub: HubProcess, count: int) -> Iterator[str]:
    """Where messages of new sessions are sent: none has a history yet."""
    with hub.client() as client:
        for _ in range(count):
            made = client.post("/v1/sessions", json={"model": SLUG}).raise_for_status().json()
            yield f"{hub.address}/v1/sessions/{made['data']['id']}/messages"


def ways(direct: str, hub: HubProcess, count: int) -> dict[str, Ask]:
    """How the same question reaches the same server, up to `count` times each."""
    chat = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
    fresh = iter(list(sessions_of(hub, count)))
    return {
        "direct": lambda: first_piece_ms(f"{direct}/chat/completions", chat | {"model": "plain"}),
        "/v1/chat/completions": lambda: first_piece_ms(
            f"{hub.address}/v1/chat/completions", chat | {"model": SLUG}, hub.key
        ),
        "session": lambda: first_piece_ms(
            next(fresh), {"content": "hello", "stream": True}, hub.key
        ),
    }


def table(found: dict[str, list[float]], together: int) -> str:
    base = median(found["direct"])
    lines = [f"{together} at a time", "| | p50 ms | p99 ms | added at p50 |", "|---|--:|--:|--:|"]
    for name, took in found.items():
        p50, p99 = median(took), quantiles(took, n=100)[98]
        added = f"{p50 - base:+.1f} ms" if name != "direct" else ""
        lines.append(f"| {name} | {p50:.1f} | {p99:.1f} | {added} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.first_byte", description=__doc__)
    parser.add_argument("--times", type=int, default=300, help="requests each way")
    parser.add_argument("--together", type=int, nargs="+", default=[1, 8])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, run_model_server() as server:
        config = Path(folder) / "hub.toml"
        entry = f'base_url = "{server.base_url}"\nupstream_model = "plain"\n'
        config.write_text(f'[models."{SLUG}"]\n{entry}')
        with run_hub(Path(folder) / "data", env={"HUB_CONFIG": str(config)}) as hub:
            for together in chosen.together:
                asks = ways(server.base_url, hub, chosen.times + 2 * WARM_UP)
                print(table(asyncio.run(measure(asks, chosen.times, together)), together))


if __name__ == "__main__":
    main()
