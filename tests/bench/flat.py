"""`python -m tests.bench.flat`: whether what one thing costs depends on how many there are.

A delivery in rooms of 10 to 5,000 members, by computing time; a post, a page of history and a
resume in rooms of few and of many messages, by the median of many in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from hub.bench import fanout
from hub.bench.cpu import family
from hub.bench.fanout import Shape
from hub.bench.stage import open_api, open_stage
from hub.core.posts import NewPost, Posted
from hub.parts import make_ids, now_ms
from hub.store.opening import open_store
from tests.support.hub import HubProcess, run_hub

TENANT = "default"
BATCH = 5_000
MISSED = 100
MOST = 1.3
SHAPES = ((500, 10), (50, 100), (5, 1_000), (1, 5_000))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# Members.


async def _delivery_us(hub: HubProcess, rooms: int, members: int, secs: float) -> float:
    """What a delivery costs at about the same number of them a tick."""
    assert hub.process is not None
    shape = Shape(rooms, members, window=4, secs=secs)
    async with open_api(hub.address, hub.key) as api, open_stage(api, shape.groups) as stage:
        _, counted = await fanout.measure(api, stage, shape, family(hub.process.pid))
        return counted.cpu_us


def members(secs: float) -> list[str]:
    """Lines of a table."""
    lines = ["| rooms x members | CPU µs a delivery |", "|---|--:|"]
    with tempfile.TemporaryDirectory(prefix="flat-") as folder:
        with run_hub(Path(folder) / "hub", "--no-demo") as hub:
            for rooms, count in SHAPES:
                _say(f"{rooms} rooms of {count}")
                cost = asyncio.run(_delivery_us(hub, rooms, count, secs))
                lines.append(f"| {rooms}x{count} | {cost:.2f} |")
    return lines


# Messages.


async def fill(url: str, room_id: str, count: int) -> None:
    """Post so many messages past the hub, as it would store them."""
    ids = make_ids()
    async with open_store(url) as store:
        view = await store.rooms.view(TENANT, room_id)
        assert view is not None
        author = next(iter(view.members.values())).author
        for start in range(0, count, BATCH):
            posts = [
                NewPost(
                    TENANT, room_id, view.room.acl_version, ids.make("msg"), author,
                    f"message {number} ".ljust(200, "x"), now_ms(),
                )
                for number in range(start, min(start + BATCH, count))
            ]  # fmt: skip
            stored = await store.posts.commit(posts)
            assert all(isinstance(each, Posted) for each in stored)


@dataclass
class Room:
    """A room with so many messages, on a running hub."""

    id: str
    messages: int
    client: httpx.Client
    socket: ClientConnection

    def post(self) -> None:
        body = {"content": "one more"}
        self.client.post(f"/v1/rooms/{self.id}/messages", json=body).raise_for_status()

    def page(self) -> None:
        """The newest, and as many from the middle."""
        for query in ({"limit": 50}, {"limit": 50, "before": self.messages // 2}):
            found = self.client.get(f"/v1/rooms/{self.id}/messages", params=query)
            assert 50 == len(found.raise_for_status().json()["data"]["items"])

    def resume(self) -> None:
        head = int(self.client.get(f"/v1/rooms/{self.id}").json()["data"]["head"])
        command = {"id": 1, "type": "subscribe", "room_id": self.id, "since": head - MISSED}
        self.socket.send(json.dumps(command))
        while json.loads(self.socket.recv(60)).get("seq") != head:
            pass
        self.socket.send(json.dumps({"id": 2, "type": "unsubscribe", "room_id": self.id}))
        while json.loads(self.socket.recv(60)).get("id") != 2:
            pass


def _timed_ms(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _make_room(hub: HubProcess) -> str:
    with hub.client() as client:
        made = client.post("/v1/rooms", json={"name": "Flat"}).raise_for_status()
    return str(made.json()["data"]["id"])


def messages(few: int, many: int, times: int) -> tuple[list[str], bool]:
    """Lines of a table, and whether it is flat."""
    with tempfile.TemporaryDirectory(prefix="flat-") as name:
        folder = Path(name) / "hub"
        with run_hub(folder, "--no-demo") as hub:
            ids = [_make_room(hub) for _ in range(2)]
        for room_id, count in zip(ids, (few, many), strict=True):
            _say(f"{count} messages")
            asyncio.run(fill(f"sqlite:///{folder / 'hub.db'}", room_id, count))
        with run_hub(folder, "--no-demo") as hub:
            return _compare(hub, dict(zip(ids, (few, many), strict=True)), times)


def _compare(hub: HubProcess, rooms: dict[str, int], times: int) -> tuple[list[str], bool]:
    took: dict[str, list[list[float]]] = {name: [[], []] for name in ("post", "page", "resume")}
    ws: Any = connect(hub.ws_address, additional_headers=hub.headers, proxy=None)
    with ws as socket, hub.client() as client:
        both = [Room(room_id, count, client, socket) for room_id, count in rooms.items()]
        _say(f"{times} times in turns")
        for turn in range(times):
            for i in (0, 1) if turn % 2 else (1, 0):
                for name, samples in took.items():
                    samples[i].append(_timed_ms(getattr(both[i], name)))
    few, many = rooms.values()
    lines = [f"| median ms | {few:,} messages | {many:,} messages | ratio |", "|---|--:|--:|--:|"]
    ratios = []
    for name, (before, after) in took.items():
        ratios.append(median(after) / median(before))
        lines.append(f"| {name} | {median(before):.2f} | {median(after):.2f} | {ratios[-1]:.2f} |")
    return lines, max(ratios) <= MOST


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.flat", description=__doc__)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--secs", type=float, default=3.0)
    given = parser.parse_args()
    lines, flat = messages(given.few, given.many, given.times)
    print("\n".join([*lines, ""]), flush=True)
    print("\n".join(members(given.secs)))
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
