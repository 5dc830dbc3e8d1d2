"""`roomhub bench runs`: how soon a mention reaches its bot, and the bot's words everybody.

The bot is a webhook of our own whose words say when they were sent; every clock is this machine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from hub.bench.process import BenchError
from hub.bench.stage import Api, Json, Stage, Tell, open_stage, silent
from hub.client.connection import RoomConnection, open_connection
from hub.client.events import DraftGrew, Logged


@dataclass(frozen=True, slots=True)
class Shape:
    """`runs` mentions at the same time, each in a room of its own with `subscribers` more people;
    the answer is `chunks` pieces, one every `interval_s`. `rounds` times over."""

    runs: int
    subscribers: int = 1
    chunks: int = 20
    interval_s: float = 0.1
    rounds: int = 1
    port: int = 18_999


@dataclass(slots=True)
class Seen:
    """What was noted. Of each mention, by its message: the moments before it was posted and when
    the bot began, and whether it is answered. In milliseconds: from a piece being sent to its
    receipt, from the last piece to the stored message."""

    posted_ns: dict[str, int] = field(default_factory=dict)
    begun_ns: dict[str, int] = field(default_factory=dict)
    answered: defaultdict[str, asyncio.Event] = field(
        default_factory=lambda: defaultdict(asyncio.Event)
    )
    pieces: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def starts(self) -> list[float]:
        """From just before a mention is posted to its bot, in milliseconds."""
        return [(begun - self.posted_ns[mention]) / 1e6 for mention, begun in self.begun_ns.items()]


@contextlib.asynccontextmanager
async def _endpoint(shape: Shape) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.bench.endpoint", str(shape.port), str(shape.chunks),
        str(shape.interval_s), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        if not (await process.stdout.readline()).strip():
            raise BenchError(f"port {shape.port} is taken; give another with --port")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _bot(api: Api, stage: Stage, shape: Shape) -> AsyncIterator[str]:
    """A webhook bot that is a member of every room."""
    bot_id = f"bot_bench_{time.time_ns():x}"
    driver = {"kind": "webhook", "url": f"http://127.0.0.1:{shape.port}/"}
    body = {"type": "bot", "id": bot_id, "name": "Bench", "driver": driver}
    try:
        await api.call("POST", "/v1/participants", body)
    except BenchError as error:
        raise BenchError(
            f"{error}; start the hub with HUB_OUTBOUND_ALLOW=127.0.0.1:{shape.port}"
        ) from None
    try:
        for room_id in stage.room_ids:
            member = {"type": "bot", "id": bot_id}
            await api.call("POST", f"/v1/rooms/{room_id}/members", member)
        yield bot_id
    finally:
        await api.call("DELETE", f"/v1/participants/{bot_id}")


async def run(api: Api, shape: Shape, *, tell: Tell = silent) -> Json:
    """Set up, measure, check, clear; returns the figures. Raises BenchError."""
    people = shape.subscribers + 1
    groups = [range(n * people, (n + 1) * people) for n in range(shape.runs)]
    url = f"http://{api.host}:{api.port}"
    async with _endpoint(shape), open_stage(api, groups, tell=tell) as stage:
        async with _bot(api, stage, shape) as bot_id, contextlib.AsyncExitStack() as stack:
            tell(f"{len(stage.keys)} connections")
            lines = [
                await stack.enter_async_context(open_connection(url, key)) for key in stage.keys
            ]
            for line, room_id in zip(lines, _rooms(stage, people), strict=True):
                await line.subscribe(room_id)
            tell(f"{shape.runs} runs")
            return await _measure(stage, lines, bot_id, shape, people)


def _rooms(stage: Stage, people: int) -> list[str]:
    return [room_id for room_id in stage.room_ids for _ in range(people)]


async def _measure(
    stage: Stage, lines: list[RoomConnection], bot_id: str, shape: Shape, people: int
) -> Json:
    seen = Seen()
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for line in lines:
            group.create_task(_listen(line, seen, shape))
        for number, room_id in enumerate(stage.room_ids):
            asking = _ask(lines[number * people], room_id, bot_id, seen, shape.rounds)
            group.create_task(asking)
    if seen.wrong:
        raise BenchError("; ".join(seen.wrong[:5]))
    took_s, starts = time.monotonic() - began, seen.starts()
    return {
        "bench": "runs", "runs": shape.runs, "rounds": shape.rounds, "subscribers": people,
        "chunks": shape.chunks, "interval_ms": round(shape.interval_s * 1000),
        "took_s": round(took_s, 2), "pieces_seen": len(seen.pieces),
        "pieces_sent": shape.runs * shape.rounds * people * shape.chunks,
        "mention_to_bot_p50_ms": _at(starts, 0.5), "mention_to_bot_p99_ms": _at(starts, 0.99),
        "piece_p50_ms": _at(seen.pieces, 0.5), "piece_p99_ms": _at(seen.pieces, 0.99),
        "end_p50_ms": _at(seen.ends, 0.5), "end_p99_ms": _at(seen.ends, 0.99),
    }  # fmt: skip


def _at(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)


async def _ask(line: RoomConnection, room_id: str, bot_id: str, seen: Seen, rounds: int) -> None:
    """One mention after the other, each once the one before is answered."""
    for _ in range(rounds):
        now = time.time_ns()
        mention = await line.post(room_id, "go", mention=[{"type": "bot", "id": bot_id}])
        seen.posted_ns[mention.id] = now
        await seen.answered[mention.id].wait()


async def _listen(line: RoomConnection, seen: Seen, shape: Shape) -> None:
    """Note the answers, from their first piece to the stored message."""
    left, answers = "", 0
    async for event in line:
        now = time.time_ns()
        if isinstance(event, DraftGrew):
            *whole, left = (left + event.text).split(" ")
            seen.pieces += [(now - _sent(piece)) / 1e6 for piece in whole]
        elif isinstance(event, Logged) and event.data.get("author", {}).get("type") == "bot":
            _check(event.data, now, seen, shape)
            seen.answered[event.data["thread_id"]].set()
            answers += 1
            if answers == shape.rounds:
                return


def _sent(piece: str) -> int:
    return int(piece.partition(":")[2])


def _check(message: dict[str, Any], now: int, seen: Seen, shape: Shape) -> None:
    """The stored answer has every piece, in order."""
    pieces = message["content"].split()
    if [piece.partition(":")[0] for piece in pieces] != [str(n) for n in range(shape.chunks)]:
        seen.wrong.append(f"the answer is not whole: {message['content'][:120]}")
        return
    seen.begun_ns[message["thread_id"]] = _sent(pieces[0])
    seen.ends.append((now - _sent(pieces[-1])) / 1e6)
