"""`roomhub bench post`: how many posts a second are stored and acknowledged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from hub.bench.check import log_faults
from hub.bench.load import Counted, Load
from hub.bench.process import BenchError, Drive, faults_of, run_load
from hub.bench.stage import Api, Json, Stage, Tell, each, open_stage, silent

Via = Literal["ws", "rest"]


@dataclass(frozen=True, slots=True)
class Posting:
    """`conns` members of `rooms` rooms keep `window` posts in flight each. Over REST that is
    `window` kept-alive connections each, with one request in flight."""

    conns: int
    rooms: int
    window: int = 4
    size: int = 200
    secs: float = 5.0
    via: Via = "ws"

    @property
    def groups(self) -> list[range]:
        return [range(room, self.conns, self.rooms) for room in range(self.rooms)]

    @property
    def sockets(self) -> int:
        return self.conns * (self.window if self.via == "rest" else 1)


def load_for(api: Api, stage: Stage, posting: Posting, pids: tuple[int, ...] = ()) -> Load:
    """The load: every connection is a publisher that only hears its own acknowledgements."""
    count, rest = posting.sockets, posting.via == "rest"
    rooms = [stage.room_ids[n % posting.conns % posting.rooms] for n in range(count)]
    return Load(
        api.host, api.port, path="/v1/ws",
        headers=("Authorization: Bearer {key}",), wire="raw" if rest else "ws",
        publish=_request(api, stage, posting) if rest else _COMMAND,
        ready="" if rest else '"type":"hello"', acked='"status":"ok"' if rest else '"ok":true',
        refused='"status":"error"' if rest else '"ok":false',
        rooms=count, members=1, window=1 if rest else posting.window, size=posting.size,
        secs=posting.secs, room_ids=tuple(rooms), keys=stage.keys, pids=pids,
    )  # fmt: skip


_COMMAND = '{"id":"{stamp}","type":"post","room_id":"{roomid}","content":"{filler}"}'


def _request(api: Api, stage: Stage, posting: Posting) -> str:
    """A REST post with a place for the stamp; all rooms' ids are of one length."""
    body = '{"content":"{payload}"}'
    filled = Load("", 0, "", size=posting.size).fill(body, 0)
    lines = (
        "POST /v1/rooms/{roomid}/messages HTTP/1.1", f"Host: {api.host}:{api.port}",
        "Authorization: Bearer {key}", "Content-Type: application/json",
        f"Content-Length: {len(filled)}", "", body,
    )  # fmt: skip
    return "\r\n".join(lines)


async def measure(
    api: Api, stage: Stage, posting: Posting, pids: tuple[int, ...] = (), drive: Drive = run_load
) -> Counted:
    """Have `drive` put the load on and prove that what was acknowledged is stored, once. Raises
    BenchError."""
    load = load_for(api, stage, posting, pids)
    heads = {r: int((await api.call("GET", f"/v1/rooms/{r}"))["head"]) for r in stage.room_ids}
    counted = await asyncio.to_thread(drive, load)
    if faults := faults_of(load, counted):
        raise BenchError("; ".join(faults))
    sent = dict.fromkeys(stage.room_ids, 0)
    for room_id, count in zip(load.room_ids, counted.sent_by_room, strict=True):
        sent[room_id] += count

    async def check(room_id: str) -> None:
        log = await api.log(room_id, heads[room_id])
        faults.extend(log_faults(room_id, log, heads[room_id], sent[room_id]))

    await each(stage.room_ids, check)
    if faults:
        raise BenchError("; ".join(faults[:5]))
    return counted


def figures(posting: Posting, counted: Counted, took_s: dict[str, float]) -> Json:
    """What is told of a run."""
    return {
        "bench": "post", "via": posting.via, "conns": posting.conns, "sockets": counted.conns,
        "rooms": posting.rooms, "window": posting.window, "size": posting.size,
        "sent": counted.sent, "acknowledged": counted.acked, "stored": counted.sent,
        "posts_per_s": round(counted.per_s), "p50_ms": counted.p50_ms, "p95_ms": counted.p95_ms,
        "p99_ms": counted.p99_ms, "connect_s": round(counted.connect_s, 3),
        "generator_busy": round(counted.busy, 3), "cpu_us_per_post": round(counted.cpu_us, 1),
        "setup_s": took_s,
    }  # fmt: skip


async def run(
    api: Api,
    posting: Posting,
    pids: tuple[int, ...] = (),
    *,
    keep: bool = False,
    tell: Tell = silent,
) -> Json:
    """Set up, measure, check, clear; returns the figures."""
    async with open_stage(api, posting.groups, keep=keep, tell=tell) as stage:
        tell(f"{posting.sockets} connections, {posting.secs:g} s")
        counted = await measure(api, stage, posting, pids)
        return figures(posting, counted, stage.took_s)
