"""`roomhub bench fanout`: members of rooms, each on a connection of its own, hear what one of them
posts."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hub.bench.check import log_faults, stream_faults
from hub.bench.load import Counted, Load
from hub.bench.process import BenchError, Drive, faults_of, run_load
from hub.bench.stage import Api, Json, Stage, Tell, each, open_stage, silent

SAMPLED_ROOMS: Final = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """How many rooms of how many members; `window` posts in flight per room, or `rate` posts a
    second in each."""

    rooms: int
    members: int
    window: int = 4
    rate: float = 0.0
    size: int = 200
    secs: float = 5.0
    settle_s: float = 0.5

    @property
    def groups(self) -> list[range]:
        return [range(r * self.members, (r + 1) * self.members) for r in range(self.rooms)]


def load_for(api: Api, stage: Stage, shape: Shape, pids: tuple[int, ...] = ()) -> Load:
    """The load as this hub's WebSocket protocol."""
    return Load(
        api.host, api.port, path="/v1/ws", headers=("Authorization: Bearer {key}",),
        pre=('{"id":1,"type":"subscribe","room_id":"{roomid}"}',),
        publish='{"id":2,"type":"post","room_id":"{roomid}","content":"{payload}"}',
        ready='"recovered":', acked='"id":2,"ok":true', refused='"ok":false',
        rooms=shape.rooms, members=shape.members, window=shape.window, rate=shape.rate,
        size=shape.size, secs=shape.secs, settle_s=shape.settle_s,
        room_ids=stage.room_ids, keys=stage.keys, keep=_sample(shape),
        pids=pids,
    )  # fmt: skip


def _sample(shape: Shape) -> tuple[int, ...]:
    """One connection each of some rooms, in turn another member, so some that publish too."""
    step = max(1, shape.rooms // SAMPLED_ROOMS)
    return tuple(r * shape.members + r // step % shape.members for r in range(0, shape.rooms, step))


async def measure(
    api: Api, stage: Stage, shape: Shape, pids: tuple[int, ...] = (), drive: Drive = run_load
) -> tuple[Load, Counted]:
    """Have `drive` put the load on and prove it; `pids` are the hub's processes, where they run on
    this machine. Raises BenchError with every fault that was found."""
    heads = {room: await _head(api, room) for room in stage.room_ids}
    with tempfile.TemporaryDirectory(prefix="roomhub-bench-") as folder:
        load = replace(load_for(api, stage, shape, pids), keep_dir=folder)
        counted = await asyncio.to_thread(drive, load)
        faults = faults_of(load, counted)
        if not faults:
            streams = {n // load.members: (Path(folder) / str(n)).read_bytes() for n in load.keep}
            faults = await _check_rooms(api, stage, counted, heads, streams)
    if faults:
        raise BenchError("; ".join(faults[:5]))
    return load, counted


async def _head(api: Api, room_id: str) -> int:
    page = await api.call("GET", f"/v1/rooms/{room_id}")
    return int(page["head"])


async def _check_rooms(
    api: Api, stage: Stage, counted: Counted, heads: dict[str, int], streams: dict[int, bytes]
) -> list[str]:
    faults: list[str] = []

    async def check(index: int) -> None:
        room_id = stage.room_ids[index]
        log = await api.log(room_id, heads[room_id])
        faults.extend(log_faults(room_id, log, heads[room_id], counted.sent_by_room[index]))
        if index in streams:
            faults.extend(stream_faults(room_id, streams[index], log))

    await each(range(len(stage.room_ids)), check)
    return faults


def figures(shape: Shape, counted: Counted, took_s: dict[str, float]) -> dict[str, Any]:
    """What is told of a run."""
    return {
        "bench": "fanout", "conns": counted.conns, "rooms": shape.rooms,
        "members": shape.members, "window": 0 if shape.rate else shape.window,
        "rate": shape.rate, "size": shape.size, "sent": counted.sent,
        "delivered": counted.delivered, "expected": counted.sent * shape.members,
        "uneven": counted.uneven, "deliveries_per_s": round(counted.per_s),
        "p50_ms": counted.p50_ms, "p95_ms": counted.p95_ms, "p99_ms": counted.p99_ms,
        "connect_s": round(counted.connect_s, 3), "ready_s": round(counted.ready_s, 3),
        "generator_busy": round(counted.busy, 3), "cpu_us_per_delivery": round(counted.cpu_us, 2),
        "setup_s": took_s,
    }  # fmt: skip


async def run(
    api: Api, shape: Shape, pids: tuple[int, ...] = (), *, keep: bool = False, tell: Tell = silent
) -> Json:
    """Set up, measure, check, clear; returns the figures."""
    async with open_stage(api, shape.groups, keep=keep, tell=tell) as stage:
        tell(f"{shape.rooms * shape.members} connections, {shape.secs:g} s")
        _, counted = await measure(api, stage, shape, pids)
        return figures(shape, counted, stage.took_s)
