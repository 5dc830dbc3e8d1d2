"""Which processes of a hub live, and what each has committed and not published yet."""

from __future__ import annotations

from typing import Final

import orjson

from hub.bus.client import answering
from hub.bus.cluster import Client
from hub.bus.names import Names
from hub.bus.scripts import Script

DEAD_MS: Final = 3_000
FORGOTTEN_MS: Final = 60_000
_NOW: Final = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "
_NOTE: Final = (
    _NOW
    + """
redis.call('HSET', KEYS[1], ARGV[1], now)
return redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
"""
)
_ORPHANS: Final = (
    _NOW
    + """
local lives, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #lives, 2 do
  local silent = now - tonumber(lives[i + 1])
  if silent > tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[1], lives[i])
    redis.call('HDEL', KEYS[2], lives[i])
  elseif silent > tonumber(ARGV[1]) then
    found[#found + 1] = lives[i]
    found[#found + 1] = redis.call('HGET', KEYS[2], lives[i]) or '[]'
  end
end
return found
"""
)


class RedisLives:
    """Signs of life on Redis's clock; `process_id` is who speaks."""

    def __init__(self, client: Client, names: Names, process_id: str) -> None:
        self._redis = client
        self._id = process_id
        self._keys = [names.lives, names.unpublished]
        self._note = Script(client, _NOTE)
        self._orphans = Script(client, _ORPHANS)

    async def note(self, room_ids: list[str]) -> None:
        with answering():
            await self._note.call(self._keys, [self._id, orjson.dumps(room_ids)])

    async def orphans(self, dead_ms: int = DEAD_MS) -> dict[str, list[str]]:
        with answering():
            found = await self._orphans.call(self._keys, [dead_ms, FORGOTTEN_MS])
        return {found[i].decode(): orjson.loads(found[i + 1]) for i in range(0, len(found), 2)}

    async def bye(self) -> None:
        with answering():
            for key in self._keys:
                await self._redis.hdel(key, self._id)
