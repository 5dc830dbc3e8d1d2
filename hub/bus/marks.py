"""How far the database has come, remembered for as long as Redis keeps it."""

from __future__ import annotations

from typing import Final

from hub.bus.client import answering
from hub.bus.cluster import Client
from hub.bus.names import Names
from hub.bus.scripts import Script
from hub.ports import Mark

_NOTE: Final = """
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > known then redis.call('SET', KEYS[1], ARGV[1]) end
return known
"""


class RedisMarks:
    """`Witness` on Redis."""

    def __init__(self, client: Client, names: Names) -> None:
        self._redis = client
        self._names = names
        self._note = Script(client, _NOTE)

    async def recall(self, database: int) -> int:
        with answering():
            return int(await self._redis.get(self._names.mark(database)) or 0)

    async def note(self, mark: Mark) -> None:
        with answering():
            await self._note.call([self._names.mark(mark.database)], [mark.number])
