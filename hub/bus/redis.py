"""`Bus` on redis-py, against a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import orjson
import structlog
from redis.exceptions import ResponseError

from hub.bus.client import answering
from hub.bus.clients import Clients, open_clients
from hub.bus.listener import RedisListener, open_listener
from hub.bus.lives import RedisLives
from hub.bus.marks import RedisMarks
from hub.bus.names import Names
from hub.bus.pipe import refused, unless_all_failed
from hub.bus.presence import RedisPresence
from hub.bus.scripts import Script
from hub.bus.shards import LOOK_S
from hub.bus.together import Together
from hub.core.values import Draft
from hub.enduring import Outage
from hub.ports import Hear
from hub.wire.packets import Packet, pack

DRAFT_TTL_S: Final = 900
CUTS: Final = "hub/cuts"  # a channel of runs that are to be cut short
_APPEND: Final = """
local known = redis.call('HGET', KEYS[1], 'attempt')
local mine = tonumber(ARGV[1])
if known and tonumber(known) > mine then return 0 end
if not known or tonumber(known) < mine then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'attempt', mine, 'about', ARGV[2])
end
local start = tonumber(ARGV[3])
if start > 0 and redis.call('STRLEN', KEYS[2]) ~= start then return -1 end
if start == 0 then redis.call('DEL', KEYS[2]) end
redis.call('APPEND', KEYS[2], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
redis.call('SPUBLISH', ARGV[6], ARGV[7])
return 1
"""
_PUT_ONCE: Final = """
local before = redis.call('GET', KEYS[2])
if before then return before end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3])
return ARGV[1]
"""
log = structlog.get_logger("hub.bus")


class RedisBus:
    """What a process asks of Redis, and hears from it."""

    def __init__(self, clients: Clients, names: Names, bus_id: str) -> None:
        self._redis = clients.commands
        self._sender = clients.sender
        self._blocking = clients.blocking
        self._places = clients.places
        self._names = names
        self._id = bus_id
        self._waking = Outage(log, "workers are not told of runs")
        self._append = Together(self._redis, _APPEND)
        self._put_once = Script(self._redis, _PUT_ONCE)
        self.presence = RedisPresence(self._redis, names, bus_id)
        self.lives = RedisLives(self._redis, names, bus_id)
        self.marks = RedisMarks(self._redis, names)

    async def publish(
        self,
        packets: Sequence[tuple[str, Packet]],
        runs: Sequence[str] = (),
        cut: Sequence[str] = (),
        over: Sequence[tuple[str, str]] = (),
    ) -> Collection[str]:
        names, said = self._names, [*packets]
        said += [(CUTS, Packet(0, 1, run_id.encode())) for run_id in cut]
        words: list[tuple[Any, ...]] = [
            *(("SPUBLISH", names.room(channel), pack(packet)) for channel, packet in said),
            *(("XADD", names.runs, "*", "run", run_id) for run_id in runs),
        ]
        told = len(words)
        words += [("UNLINK", names.draft(*each), names.draft_text(*each)) for each in over]
        if not words:
            return ()
        with answering():
            answers = unless_all_failed(await self._sender.send([(each, {}) for each in words]))
        if asked := answers[len(packets) : told]:
            self._waking.saw(next((each for each in asked if isinstance(each, Exception)), None))
        return refused((room_id for room_id, _ in packets), answers)

    async def watch_cuts(self, hear: Callable[[str], None]) -> None:
        def cut(_: str, packet: Packet | None) -> None:
            if packet is not None:
                hear(packet.frames.decode())

        listening = open_listener(self._places, self._names, f"{self._id}:cuts", cut)
        async with listening as listener:
            await listener.subscribe(CUTS)
            await asyncio.Event().wait()

    def listen(self, hear: Hear) -> AbstractAsyncContextManager[RedisListener]:
        return open_listener(self._places, self._names, self._id, hear)

    async def append_draft(self, room_id: str, draft: Draft, text: str, frames: bytes) -> bool:
        names, run_id = self._names, draft.run_id
        about = draft.as_dict() | {"text": "", "offset": 0}
        keys = [names.draft(room_id, run_id), names.draft_text(room_id, run_id)]
        channel, packet = names.room(room_id), pack(Packet(0, 1, frames))

        async def append(start: int, piece: str) -> int:
            values: list[Any] = [
                draft.attempt, orjson.dumps(about), start, piece, DRAFT_TTL_S, channel, packet,
            ]  # fmt: skip
            return int(await self._append.call(keys, values))

        start = len(draft.text.encode()) - len(text.encode())
        with answering():
            answer = await append(start, text)
            if answer < 0:  # a piece was lost: only then the whole text travels
                answer = await append(0, draft.text)
        return answer > 0

    async def drafts(self, room_id: str, run_ids: Sequence[str]) -> list[Draft]:
        if not run_ids:
            return []
        with answering():
            pipe = self._redis.pipeline(transaction=False)
            for run_id in run_ids:
                pipe.hget(self._names.draft(room_id, run_id), "about")
                pipe.hget(self._names.draft(room_id, run_id), "attempt")
                pipe.get(self._names.draft_text(room_id, run_id))
            found = await pipe.execute()
        return [
            _draft(orjson.loads(found[i]), int(found[i + 1]), found[i + 2] or b"")
            for i in range(0, len(found), 3)
            if found[i]
        ]

    async def put_ticket(self, digest: str, value: bytes, ttl_s: int) -> None:
        with answering():
            await self._redis.set(self._names.ticket(digest), value, ex=ttl_s)

    async def put_ticket_once(self, digest: str, value: bytes, ttl_s: int, kept_s: int) -> bytes:
        keys = [self._names.ticket(digest), self._names.ticket_put(digest)]
        with answering():
            return bytes(await self._put_once.call(keys, [value, ttl_s, kept_s]))

    async def take_ticket(self, digest: str) -> bytes | None:
        with answering():
            value: Any = await self._redis.getdel(self._names.ticket(digest))
        return bytes(value) if value is not None else None

    async def woken(self, worker: str, limit: int, wait_s: float) -> list[str]:
        stream, pool = self._names.runs, self._names.pool
        with answering():
            try:
                found: Any = await self._blocking.xreadgroup(
                    pool, worker, {stream: ">"}, count=limit, block=int(wait_s * 1000), noack=True
                )
            except ResponseError as error:
                if "NOGROUP" not in str(error) and "UNBLOCKED" not in str(error):
                    raise
                await self._make_pool()
                return []
            entries = found[0][1] if found else []
            if entries:
                await self._redis.xdel(stream, *(entry_id for entry_id, _ in entries))
        return [fields[b"run"].decode() for _, fields in entries]

    async def _make_pool(self) -> None:
        try:
            await self._redis.xgroup_create(
                self._names.runs, self._names.pool, id="0", mkstream=True
            )
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def ping(self) -> None:
        with answering():
            await self._redis.ping()


def _draft(about: dict[str, Any], attempt: int, text: bytes) -> Draft:
    return Draft(
        about["run_id"],
        about["message_id"],
        about["thread_id"],
        about["participant"],
        attempt,
        text.decode(),
    )


@contextlib.asynccontextmanager
async def open_bus(
    url: str, prefix: str, bus_id: str, *, look_s: float = LOOK_S
) -> AsyncIterator[RedisBus]:
    """The bus of one process; closed at the end. A cluster is looked at every `look_s`, besides
    when there is a sign that it has changed."""
    async with open_clients(url, look_s=look_s) as clients:
        yield RedisBus(clients, Names(prefix), bus_id)
