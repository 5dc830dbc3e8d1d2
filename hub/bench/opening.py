"""`roomhub bench connect`, `idle` and `resume`: clients that come, stay, and come back.

Every connection is authenticated and follows one room. A figure is told only when all of them were
answered, and after a resume only when what each got is the room's log.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hub.bench import fanout
from hub.bench.check import stream_faults
from hub.bench.load import Counted, Load
from hub.bench.process import BenchError, Drive, run_load
from hub.bench.stage import Api, Json, Stage, Tell, each, open_stage, silent

LAST: Final = "the last one missed"
MOST_MISSED: Final = 900


@dataclass(frozen=True, slots=True)
class Crowd:
    """`rooms` x `members` connections, held for `hold_s`; `missed` messages were posted to every
    room while they were away."""

    rooms: int
    members: int
    hold_s: float = 0.0
    missed: int = 0

    @property
    def shape(self) -> fanout.Shape:
        return fanout.Shape(self.rooms, self.members, window=0, secs=0.01, settle_s=self.hold_s)


async def connect(
    api: Api, crowd: Crowd, pids: tuple[int, ...] = (), *, tell: Tell = silent
) -> Json:
    """Connect, authenticate and subscribe everybody; and, where they are held, weigh them."""
    async with open_stage(api, crowd.shape.groups, tell=tell) as stage:
        tell(f"{crowd.rooms * crowd.members} connections")
        load = replace(fanout.load_for(api, stage, crowd.shape, pids), publish="", keep=())
        counted = await open_all(load)
        name = "idle" if crowd.hold_s else "connect"
        return {"bench": name} | _figures(crowd, counted, weighed=bool(pids))


async def resume(
    api: Api, crowd: Crowd, pids: tuple[int, ...] = (), *, tell: Tell = silent
) -> Json:
    """Everybody comes back at once, having missed the same number of messages."""
    if not 1 <= crowd.missed <= MOST_MISSED:
        raise BenchError(f"between 1 and {MOST_MISSED} messages can be missed and replayed")
    async with open_stage(api, crowd.shape.groups, tell=tell) as stage:
        since = await _head(api, stage)
        tell(f"{crowd.missed} messages to each of {crowd.rooms} rooms")
        await each(stage.room_ids, lambda room_id: _post_missed(api, room_id, crowd.missed))
        tell(f"{crowd.rooms * crowd.members} connections")
        with tempfile.TemporaryDirectory(prefix="roomhub-bench-") as folder:
            load = resuming(fanout.load_for(api, stage, crowd.shape, pids), since, folder)
            counted = await open_all(load)
            await check_replay(api, stage, load, since)
        return {"bench": "resume", "missed": crowd.missed} | _figures(
            crowd, counted, weighed=bool(pids)
        )


async def _head(api: Api, stage: Stage) -> int:
    """Where all rooms stand: they were made alike."""
    heads = {int((await api.call("GET", f"/v1/rooms/{r}"))["head"]) for r in stage.room_ids}
    if len(heads) > 1:
        raise BenchError(f"the rooms have different heads: {sorted(heads)}")
    return heads.pop()


async def _post_missed(api: Api, room_id: str, count: int) -> None:
    for number in range(count):
        content = LAST if number == count - 1 else f"missed {number} ".ljust(200, "x")
        await api.call("POST", f"/v1/rooms/{room_id}/messages", {"content": content})


def resuming(load: Load, since: int, folder: str) -> Load:
    """Everybody comes back to its room with a cursor, and is ready when it has the message `LAST`.
    What sampled connections are sent goes to `folder`."""
    command = f'{{"id":1,"type":"subscribe","room_id":"{{roomid}}","since":{since}}}'
    return replace(load, publish="", pre=(command,), ready=LAST, keep_dir=folder)


async def open_all(load: Load, drive: Drive = run_load) -> Counted:
    """Run the load; BenchError unless every connection got ready and stayed."""
    counted = await asyncio.to_thread(drive, load)
    wanted = load.rooms * load.members
    if counted.conns != wanted or counted.failed or counted.lost or counted.why:
        raise BenchError(f"{counted.conns} of {wanted} connections: {counted.why}")
    return counted


async def check_replay(api: Api, stage: Stage, load: Load, since: int) -> None:
    """What sampled connections were replayed is the log."""
    faults: list[str] = []
    for connection in load.keep:
        room_id = stage.room_ids[connection // load.members]
        stream = (Path(load.keep_dir) / str(connection)).read_bytes()
        faults += stream_faults(room_id, stream, await api.log(room_id, since))
    if faults:
        raise BenchError("; ".join(faults[:5]))


def _figures(crowd: Crowd, counted: Counted, *, weighed: bool) -> Json:
    took_s = counted.connect_s + counted.ready_s
    found: Json = {
        "conns": counted.conns, "rooms": crowd.rooms, "members": crowd.members,
        "connect_s": round(counted.connect_s, 3), "all_ready_s": round(took_s, 3),
        "conns_per_s": round(counted.conns / took_s),
    }  # fmt: skip
    if weighed:
        found["cpu_us_per_conn"] = round(counted.opening_cpu_s * 1e6 / counted.conns, 1)
        found["bytes_per_conn"] = round(counted.grown_bytes / counted.conns)
    return found
