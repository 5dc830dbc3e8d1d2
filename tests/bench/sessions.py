"""What sessions cost: `python -m tests.bench.sessions [--streams 300] [--sessions 100000] …`.

Starts a model's server and the hub (`roomhub up`, SQLite with full sync), each in a process of its
own, and measures from outside: many replies streamed at once, lists and pages of much beside those
of little. The exit status is 1 when a reply is not the upstream's. What the hub adds to the first
byte of a reply is for `tests.bench.first_byte`. Then one long session is read whole, as an answer
and as files: what the hub's memory grows by.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from tests.bench.crowd import add_messages, add_sessions
from tests.bench.upstream import word
from tests.support.hub import HubProcess, run_hub
from tests.support.process import MB, forget_peak, peak_mb, rss_mb

MODEL: Final = "bench/model"
OWNER: Final = "user_admin"
CALLS: Final = 40
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """`streams` at once, of `chunks` pieces, one every `interval_s`; lists of `sessions`, pages of
    `messages`; one of `whole` messages read at once."""

    streams: int = 300
    chunks: int = 50
    interval_s: float = 0.04
    sessions: int = 100_000
    messages: int = 10_000
    whole: int = 20_000


@contextlib.contextmanager
def run_upstream(chunks: int, interval_s: float) -> Iterator[str]:
    """The address of a running model's server."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.upstream", str(chunks), str(interval_s)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


@contextlib.contextmanager
def run_hub_on(upstream: str, folder: Path, *arguments: str) -> Iterator[HubProcess]:
    """A hub whose model is that server's."""
    config = folder / "hub.toml"
    config.write_text(f'[models."{MODEL}"]\nbase_url = "{upstream}"\n')
    with run_hub(folder / "data", *arguments, env={"HUB_CONFIG": str(config)}) as hub:
        yield hub


@contextlib.asynccontextmanager
async def open_client(hub: HubProcess) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=2_000, max_keepalive_connections=2_000)
    async with httpx.AsyncClient(
        base_url=hub.address, headers=hub.headers, timeout=120, trust_env=False, limits=limits
    ) as client:
        yield client


async def new_session(client: httpx.AsyncClient) -> str:
    body = {"model": MODEL, "title": "bench"}
    made = (await client.post("/v1/sessions", json=body)).raise_for_status()
    return f"/v1/sessions/{made.json()['data']['id']}"


@dataclass(slots=True)
class Reply:
    """A streamed reply: its text, and when its first word came."""

    text: str = ""
    first_s: float = 0.0


async def read_reply(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> Reply:
    reply, began = Reply(), time.perf_counter()
    async with client.stream("POST", url, json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            data = json.loads(line[6:])
            if "code" in data:
                raise RuntimeError(f"{data['code']}: {data['message']}")
            text = data["choices"][0]["delta"].get("content", "")
            if text and not reply.text:
                reply.first_s = time.perf_counter() - began
            reply.text += text
    return reply


def at(values: list[float], share: float) -> float:
    """A quantile in milliseconds."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)


async def many_streams(shape: Shape) -> Figures:
    """Sessions of one process that stream at the same time, each with words of its own."""
    with run_upstream(shape.chunks, shape.interval_s) as upstream:
        with tempfile.TemporaryDirectory() as folder, run_hub_on(upstream, Path(folder)) as hub:
            async with open_client(hub) as client:
                paths = [await new_session(client) for _ in range(shape.streams)]
                began = time.perf_counter()
                replies = await asyncio.gather(
                    *(
                        read_reply(client, f"{path}/messages", {"content": path, "stream": True})
                        for path in paths
                    )
                )
                took_s = time.perf_counter() - began
                wrong = [
                    path
                    for path, reply in zip(paths, replies, strict=True)
                    if reply.text != "".join(word(path, n) for n in range(shape.chunks))
                ]
                stored = await _unlike(client, paths, replies)
    return {
        "streams": len(replies), "streams_not_equal": len(wrong), "stored_not_equal": stored,
        "streams_took_s": round(took_s, 2),
        "upstream_takes_s": round((shape.chunks - 1) * shape.interval_s, 2),
        "streams_first_byte_p50_ms": at([r.first_s for r in replies], 0.5),
        "streams_first_byte_p99_ms": at([r.first_s for r in replies], 0.99),
    }  # fmt: skip


async def _unlike(client: httpx.AsyncClient, paths: list[str], replies: list[Reply]) -> int:
    """How many stored replies are not what was streamed."""
    count = 0
    for path, reply in zip(paths, replies, strict=True):
        found = (await client.get(path)).raise_for_status().json()["data"]["messages"]
        count += found[-1]["content"] != reply.text
    return count


async def much_beside_little(shape: Shape) -> Figures:
    """The same calls on a hub with a hundredth and on one with all of it, in turns."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        with (
            _filled(Path(one), shape.sessions // 100, shape.messages // 100) as small,
            _filled(Path(two), shape.sessions, shape.messages) as big,
        ):
            async with open_client(small) as few, open_client(big) as many:
                for name, call in CALLED.items():
                    little, much = await _in_turns(partial(call, few), partial(call, many))
                    figures[f"{name}_little_p50_ms"] = little
                    figures[f"{name}_much_p50_ms"] = much
    return figures


@contextlib.contextmanager
def _filled(folder: Path, sessions: int, messages: int) -> Iterator[HubProcess]:
    """A hub that was started once, filled at rest, and started again."""
    with run_hub(folder):
        pass
    add_sessions(folder / "hub.db", OWNER, sessions)
    add_messages(folder / "hub.db", OWNER, messages)
    with run_hub(folder) as hub:
        yield hub


async def read_whole(shape: Shape) -> Figures:
    """One session of some 2 KB a message, read and exported at the speed it comes."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with run_hub(folder):
            pass
        add_messages(folder / "hub.db", OWNER, shape.whole, 150)
        for what, path in WHOLE.items():
            with run_hub(folder) as hub:
                assert hub.process is not None
                async with open_client(hub) as client:
                    before = rss_mb(hub.process.pid)
                    forget_peak(hub.process.pid)
                    began, size = time.perf_counter(), 0
                    async with client.stream("GET", path) as answer:
                        answer.raise_for_status()
                        async for part in answer.aiter_bytes():
                            size += len(part)
                    figures |= {
                        f"{what}_mb": round(size / MB, 1),
                        f"{what}_took_s": round(time.perf_counter() - began, 2),
                        f"{what}_grown_by_mb": round(peak_mb(hub.process.pid) - before, 1),
                    }
    return figures


async def _in_turns(
    one: Callable[[], Awaitable[None]], other: Callable[[], Awaitable[None]]
) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(CALLS + 5):
        for call, seen in zip((one, other), times, strict=True):
            began = time.perf_counter()
            await call()
            if n >= 5:
                seen.append(time.perf_counter() - began)
    return statistics_of(times[0]), statistics_of(times[1])


def statistics_of(times: list[float]) -> float:
    return round(statistics.median(times) * 1000, 2)


def _get(path: str) -> Callable[[httpx.AsyncClient], Awaitable[None]]:
    async def call(client: httpx.AsyncClient) -> None:
        answer = (await client.get(path)).raise_for_status().json()
        if not answer["data"]["items"]:
            raise RuntimeError(f"{path}: nothing is listed")

    return call


def _page_in_the_middle(path: str) -> Callable[[httpx.AsyncClient], Awaitable[None]]:
    async def call(client: httpx.AsyncClient) -> None:
        newest = (await client.get("/v1/sessions/sess_long/messages?limit=1")).json()
        middle = newest["data"]["items"][0]["seq"] // 2
        (await client.get(f"{path}{middle}")).raise_for_status()

    return call


CALLED: Final = {
    "list": _get("/v1/sessions?limit=50"),
    "list_status": _get("/v1/sessions?limit=50&status=closed"),
    "list_tenant": _get("/v1/sessions?limit=50&scope=tenant"),
    "page_newest": _get("/v1/sessions/sess_long/messages?limit=50"),
    "page_middle": _page_in_the_middle("/v1/sessions/sess_long/messages?limit=50&before="),
}


WHOLE: Final = {
    "whole": "/v1/sessions/sess_long",
    "markdown": "/v1/sessions/sess_long/export",
    "json_file": "/v1/sessions/sess_long/export?format=json",
}


def main() -> int:
    shape = Shape()
    parser = argparse.ArgumentParser(description=__doc__)
    for name in Shape.__slots__:
        value = getattr(shape, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    chosen = Shape(**vars(parser.parse_args()))
    figures: Figures = {"cores": os.cpu_count() or 0}
    for part in (many_streams, much_beside_little, read_whole):
        figures |= asyncio.run(part(chosen))
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):34} {value:>12,}")
    return 1 if figures["streams_not_equal"] or figures["stored_not_equal"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
