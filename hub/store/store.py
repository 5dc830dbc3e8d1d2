"""The whole store on one database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Table, delete, select, text, tuple_

from hub.core.governor import Limits
from hub.ports import PostStore
from hub.store.access_changes import SqlAccessChanges
from hub.store.audit import SqlAudit
from hub.store.completions import SqlCompletions
from hub.store.database import Database
from hub.store.keys import SqlKeys
from hub.store.log import SqlLog
from hub.store.messages import SqlMessages
from hub.store.models import SqlModels
from hub.store.participants import SqlParticipants
from hub.store.reading import SqlReading
from hub.store.rooms import SqlRooms
from hub.store.runs import SqlRuns
from hub.store.schema import chains, idempotency
from hub.store.search import SqlSearch
from hub.store.sessions import SqlSessions
from hub.store.timeline import SqlTimeline

LIMITS = Limits()
FORGOTTEN_AT_ONCE: Final = 2_000


class SqlStore:
    """`Store`: every port on one `Database`."""

    def __init__(self, database: Database, posts: PostStore, limits: Limits = LIMITS) -> None:
        self.database = database
        self.posts = posts
        self.log = SqlLog(database)
        self.rooms = SqlRooms(database)
        self.messages = SqlMessages(database)
        self.reading = SqlReading(database)
        self.search = SqlSearch(database)
        self.audit = SqlAudit(database)
        self.participants = SqlParticipants(database)
        self.keys = SqlKeys(database)
        self.access_changes = SqlAccessChanges(database)
        self.sessions = SqlSessions(database, limits)
        self.runs = SqlRuns(database, limits)
        self.models = SqlModels(database)
        self.completions = SqlCompletions(database)
        self.timeline = SqlTimeline(database)

    async def forget_keys(self, before_ms: int) -> int:
        """Forget requests' keys from before a time, how many answers older human messages have
        had, and what was taken away; returns how many keys."""
        await self._forget(chains, chains.c.at_ms < before_ms)
        await self.access_changes.forget(before_ms)
        return await self._forget(idempotency, idempotency.c.created_ms < before_ms)

    async def _forget(self, table: Table, old: ColumnElement[bool]) -> int:
        """By and by, so that no post waits behind a day's worth."""
        key = table.primary_key.columns
        slice_of = select(*key).where(old).limit(FORGOTTEN_AT_ONCE)
        gone = delete(table).where(tuple_(*key).in_(slice_of))
        count = 0
        while found := await self.database.write(lambda c: c.execute(gone).rowcount):
            count += found
        return count

    async def ping(self) -> None:
        await self.database.read(lambda connection: connection.execute(text("SELECT 1")))
