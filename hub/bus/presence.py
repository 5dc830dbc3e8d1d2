"""Who is in which room, by gateway, under leases that run on Redis's clock.

Of each room there is an index of the gateways that have anybody in it, with the ends of their
leases, and one set of participants per gateway. A gateway that dies is left out once its lease is
over. Keys of one room share a {hash tag}.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from hub.bus.client import answering
from hub.bus.cluster import Client
from hub.bus.names import Names
from hub.bus.pipe import refused, unless_all_failed
from hub.bus.scripts import Call, Script

_NOW: Final = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "
_PUT: Final = (
    _NOW
    + """
redis.call('DEL', KEYS[2])
if #ARGV == 2 then return redis.call('ZREM', KEYS[1], ARGV[1]) end
for i = 3, #ARGV, 1000 do
  redis.call('SADD', KEYS[2], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], 2 * ARGV[2])
return redis.call('PEXPIRE', KEYS[2], 2 * ARGV[2])
"""
)
_READ: Final = (
    _NOW
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local sets = {}
for i, gateway in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  sets[i] = KEYS[1] .. ':' .. gateway
end
if #sets == 0 then return {} end
return redis.call('SUNION', unpack(sets))
"""
)


class RedisPresence:
    """`PresenceBus` on redis-py; `gateway_id` is who speaks."""

    def __init__(self, client: Client, names: Names, gateway_id: str) -> None:
        self._names = names
        self._id = gateway_id
        self._put = Script(client, _PUT)
        self._read = Script(client, _READ)

    async def put(self, rooms: Mapping[str, Collection[str]], lease_ms: int) -> Collection[str]:
        calls = [
            Call(
                [self._names.presence(room_id), self._names.present(room_id, self._id)],
                [self._id, lease_ms, *people],
            )
            for room_id, people in rooms.items()
        ]
        with answering():
            return refused(rooms, unless_all_failed(await self._put.answers(calls)))

    async def read(self, room_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        calls = [Call([self._names.presence(room_id)], []) for room_id in room_ids]
        with answering():
            found = unless_all_failed(await self._read.answers(calls))
        return {
            room_id: frozenset(each.decode() for each in people)
            for room_id, people in zip(room_ids, found, strict=True)
            if not isinstance(people, Exception)
        }
