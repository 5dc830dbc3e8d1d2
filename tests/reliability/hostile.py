"""`python -m tests.reliability.hostile [attacks|busy|stop|polls|streams|storm …]`: a hub among
clients that mean harm, and in crowds.

attacks: floods, bombs and halves of every kind; the hub's memory before, at most, after.
busy: 1, 100 and 300 sockets that read nothing in a busy room of 1 000; the others' p99, memory,
seconds until the stalled are evicted.
polls: 5 000 wait for one event; all are answered with it, and nobody else waits for that.
streams: 10 000 streams that nobody reads, in a room that is posted to; memory.
storm: 2 000 come into a room at once; the presence events that one of them is sent.
stop: SIGTERM with 1 000 clients and 50 that stall; seconds until the hub has ended.

Exits 1 when a bound was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx

from hub.bench.fanout import Shape, measure
from hub.bench.stage import open_api, open_stage
from tests.reliability import attacks, stopping
from tests.reliability.attacks import Attack, Target
from tests.reliability.crowding import (
    PATIENCE_S,
    come_together,
    open_streams,
    poll_together,
)
from tests.reliability.peers import open_peers, seconds_until_closed
from tests.support.hub import HubProcess, run_hub
from tests.support.process import forget_peak, peak_mb, rss_mb

MOST_GROWN_MB: Final = 330.0  # what may wait in all, 256 MiB, and some room
ENDS_WITHIN_S: Final = 20.0
MOST_STREAMS_MB: Final = 800.0  # 16 KiB and a message for each, and what may wait in all
TICK_S: Final = 0.5
ENV: Final = {"HUB_LOG_LEVEL": "error", "HUB_STRANGERS_PER_ADDRESS": "2000"}
SIZES: Final[list[tuple[Attack, float, str]]] = [
    (attacks.pings, 150, "MB of pings"),
    (attacks.one_byte_fragments, 35, "MB of 1-byte fragments"),
    (attacks.empty_fragments, 30, "MB of empty fragments"),
    (attacks.commands, 60, "MB of commands"),
    (attacks.nonsense, 100, "MB of nonsense"),
    (attacks.bombs, 60, "MB deflated, 20 times"),
    (attacks.large_head, 50, "MB of one header"),
    (attacks.many_lines, 50, "MB of header lines"),
    (attacks.half_handshakes, 1_000, "half handshakes"),
    (attacks.silence, 1_000, "silent sockets"),
    (attacks.half_bodies, 200, "half bodies"),
    (attacks.replays, 300, "replays of 12 MB unread"),
    (attacks.streams, 300, "streams of 12 MB unread"),
    (attacks.pipelined, 10_000, "requests in one breath"),
    (attacks.strange_rooms, 100_000, "rooms that are not there"),
    (attacks.churn, 5_000, "times into a room and out"),
    (attacks.pages, 300, "pages of 6 MB unread"),
]


@contextlib.contextmanager
def own_hub(**env: str) -> Iterator[HubProcess]:
    with tempfile.TemporaryDirectory(prefix="roomhub-hostile-") as folder:
        with run_hub(Path(folder) / "data", env=ENV | env) as hub:
            yield hub


def make_target(hub: HubProcess, messages: int, size: int) -> Target:
    """A room with so many messages of so many bytes."""
    with hub.client() as client:
        made = client.post("/v1/rooms", json={"name": "Target"}).raise_for_status().json()
    target = Target(hub.address, hub.key, str(made["data"]["id"]))
    fill(hub, target, messages, size)
    return target


def fill(hub: HubProcess, target: Target, messages: int, size: int) -> None:
    """Post so many messages of so many bytes."""
    with hub.client() as client:
        for _ in range(messages):
            body = {"content": "x" * size}
            client.post(f"/v1/rooms/{target.room_id}/messages", json=body).raise_for_status()


@contextlib.contextmanager
def another_client(hub: HubProcess) -> Iterator[list[float]]:
    """Somebody with another key who asks for something small all the time; how long each answer
    took, in seconds."""
    took, over = [0.0], threading.Event()
    with hub.client() as client:
        made = client.post("/v1/api-keys", json={"name": "another"}).raise_for_status().json()
    own = {"Authorization": f"Bearer {made['data']['key']}"}

    def ask() -> None:
        with httpx.Client(base_url=hub.address, headers=own, timeout=60) as client:
            while not over.wait(0.02):
                began = time.perf_counter()
                client.get("/v1/me").raise_for_status()
                took.append(time.perf_counter() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield took
    finally:
        over.set()
        asking.join()


def run_attacks(_: argparse.Namespace) -> bool:
    """Each on the same hub, one after the other; it still answers in the end."""
    good = True
    print("| attack | sent MB | closed | last after s | MB before | at most | after "
          "| another waits ms |")  # fmt: skip
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for deflate in ("false", "true"):
        with own_hub(HUB_WS_DEFLATE=deflate) as hub:
            assert hub.process is not None
            pid = hub.process.pid
            target = make_target(hub, 400, 30_000)
            for attack, size, what in SIZES:
                if deflate == "true" and attack is not attacks.bombs:
                    continue
                before = rss_mb(pid)
                forget_peak(pid)
                with another_client(hub) as waited:
                    done = attack(target, size)
                most, after = peak_mb(pid), rss_mb(pid)
                good &= most - before < MOST_GROWN_MB and done.closed == done.connections
                name = f"{size:g} {what}" + (" (agreed on)" if deflate == "true" else "")
                print(f"| {name} | {done.sent_mb:.1f} | {done.closed} of {done.connections} | "
                      f"{done.last_s:.1f} | {before:.0f} | {most:.0f} | {after:.0f} | "
                      f"{max(waited) * 1000:.0f} |", flush=True)  # fmt: skip
            with hub.client() as client:
                good &= client.get("/readyz").is_success
    return good


async def run_busy(options: argparse.Namespace) -> bool:
    """Without, then with more and more that stall, then without again."""
    shape = Shape(1, options.members, rate=options.rate, size=options.size, secs=options.secs)
    print("| stalled | p50 ms | p99 ms | MB before | at most | evicted | first, last after s |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    good = True
    with own_hub() as hub:
        assert hub.process is not None
        pid = hub.process.pid
        async with open_api(hub.address, hub.key) as api, open_stage(api, shape.groups) as stage:
            await measure(api, stage, replace(shape, secs=2))
            for count in (0, *options.stalled, 0):
                before = rss_mb(pid)
                forget_peak(pid)
                with open_peers(hub.address, count) as peers:
                    for peer, key in zip(peers, stage.keys, strict=False):
                        peer.upgrade(key)
                        peer.follow(stage.room_ids[0])
                    watch = asyncio.to_thread(seconds_until_closed, peers, options.secs + 25)
                    watching = asyncio.create_task(watch)
                    _, counted = await measure(api, stage, shape)
                    took = sorted(await watching)
                evicted = sum(s < options.secs + 25 for s in took)
                good &= evicted == count and peak_mb(pid) - before < MOST_GROWN_MB
                times = f"{took[0]:.1f}, {took[-1]:.1f}" if took else ""
                print(f"| {count} | {counted.p50_ms:.0f} | {counted.p99_ms:.0f} | {before:.0f} | "
                      f"{peak_mb(pid):.0f} | {evicted} | {times} |", flush=True)  # fmt: skip
    return good


def run_stop(options: argparse.Namespace) -> bool:
    with own_hub() as hub:
        ended = stopping.stop_among(hub, options.live, options.stall)
    print(ended.as_line())
    return ended.seconds < ENDS_WITHIN_S and ended.told == options.live and ended.status == 0


def run_polls(options: argparse.Namespace) -> bool:
    with own_hub(HUB_CONNECTIONS_PER_KEY=str(options.polls)) as hub:
        assert hub.process is not None
        target = make_target(hub, 1, 100)
        before = rss_mb(hub.process.pid)
        with another_client(hub) as waited:
            polled = poll_together(hub, target, options.polls)
        print(f"polls {options.polls}: {polled.statuses}, {polled.bodies} different, the last "
              f"after {polled.last_s:.1f} s; another client waited {max(waited) * 1000:.0f} ms; "
              f"{before:.0f} to {peak_mb(hub.process.pid):.0f} MB", flush=True)  # fmt: skip
    return polled.statuses == {b"200": options.polls} and polled.bodies == 1


def run_streams(options: argparse.Namespace) -> bool:
    """0.9 MB for each: none is slow by itself."""
    with own_hub(HUB_CONNECTIONS_PER_KEY=str(options.streams)) as hub:
        assert hub.process is not None
        target, pid = make_target(hub, 1, 100), hub.process.pid
        with open_streams(target, options.streams) as peers, another_client(hub) as waited:
            opened = rss_mb(pid)
            fill(hub, target, 45, 20_000)
            took = seconds_until_closed(peers, PATIENCE_S)
        closed, most = sum(s < PATIENCE_S for s in took), peak_mb(pid)
        print(f"streams {options.streams}: {opened:.0f} MB, at most {most:.0f}; {closed} closed; "
              f"another client waited {max(waited) * 1000:.0f} ms", flush=True)  # fmt: skip
    return closed == options.streams and most - opened < MOST_STREAMS_MB


def run_storm(options: argparse.Namespace) -> bool:
    return asyncio.run(_storm(options.come))


async def _storm(count: int) -> bool:
    with own_hub(HUB_MAX_CONNECTIONS=str(count + 100)) as hub:
        async with (
            open_api(hub.address, hub.key) as api,
            open_stage(api, [range(count)]) as stage,
        ):
            target = Target(hub.address, hub.key, stage.room_ids[0])
            with another_client(hub) as waited:
                came = await asyncio.to_thread(come_together, target, stage.keys)
    print(f"storm {count}: asked within {came.asked_s:.1f} s, complete after "
          f"{came.complete_s:.1f} s; {came.events} presence events, {came.size / 1000:.0f} KB; "
          f"another client waited {max(waited) * 1000:.0f} ms", flush=True)  # fmt: skip
    return came.events <= 2 + came.complete_s / TICK_S


PARTS: Final = {
    "attacks": run_attacks, "stop": run_stop, "polls": run_polls, "streams": run_streams,
    "storm": run_storm,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["attacks", "busy", *list(PARTS)[1:]])
    parser.add_argument("--members", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--size", type=int, default=2_000)
    parser.add_argument("--secs", type=float, default=15)
    parser.add_argument("--stalled", type=int, nargs="*", default=[1, 100, 300])
    parser.add_argument("--live", type=int, default=1_000)
    parser.add_argument("--stall", type=int, default=50)
    parser.add_argument("--polls", type=int, default=5_000)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--come", type=int, default=2_000)
    options = parser.parse_args()
    good = True
    for part in options.parts:
        if part == "busy":
            good &= asyncio.run(run_busy(options))
        else:
            good &= PARTS[part](options)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
