"""Runs as they are read and summed up; their leases are in `run_leases.py`, their ends in
`run_ends.py` and `run_cancels.py`, what is tried again in `run_again.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from hub.core.governor import Limits
from hub.core.posts import RequestKey
from hub.core.runs import ENDED
from hub.core.values import Json, Run
from hub.ports import Ended, Page, Pause, Renewed, Reply
from hub.store import rows, run_again, run_cancels, run_ends, run_leases
from hub.store.common import date_of, made_by
from hub.store.database import Database
from hub.store.queries import fetch
from hub.store.schema import participants, runs

_COUNT_OPEN: Final = "SELECT state, count(*) FROM runs WHERE finished_ms IS NULL GROUP BY state"
_GROUPS: Final = {
    "run": runs.c.id,
    "room": runs.c.room_id,
    "participant": runs.c.participant_id,
    "tenant": runs.c.tenant_id,
}


class SqlRuns:
    """`RunStore` on any SQL database."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def get(self, tenant_id: str, run_id: str) -> Run | None:
        mine = (runs.c.tenant_id == tenant_id) & (runs.c.id == run_id)
        found = await self._database.read(lambda c: _select(c, mine))
        return found[0] if found else None

    async def of_message(self, message_id: str) -> list[Run]:
        mine = runs.c.trigger_message_id == message_id
        return await self._database.read(lambda c: _select(c, mine))

    async def open_in(self, room_id: str) -> list[Run]:
        mine = and_(runs.c.room_id == room_id, runs.c.finished_ms.is_(None))
        return await self._database.read(lambda c: _select(c, mine))

    async def page(self, room_id: str, page: Page) -> list[Run]:
        return await self._database.read(lambda c: _page(c, room_id, page))

    async def claim(self, run_id: str, worker: str, lease_ms: int) -> Run | None:
        return await self._database.write(lambda c: run_leases.claim(c, run_id, worker, lease_ms))

    async def renew(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        return await self._database.write(lambda c: run_leases.renew(c, run_id, attempt, lease_ms))

    async def renew_all(self, held: Sequence[tuple[str, int]], lease_ms: int) -> Renewed:
        return await self._database.write(lambda c: run_leases.renew_all(c, held, lease_ms))

    async def advance(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        return await self._database.write(
            lambda c: run_leases.advance(c, run_id, attempt, lease_ms)
        )

    async def peek(self, run_id: str) -> Run | None:
        found = await self._database.read(lambda c: _select(c, runs.c.id == run_id))
        return found[0] if found else None

    async def remember(self, run_id: str, attempt: int, memory: Json) -> bool:
        return await self._database.write(lambda c: run_leases.remember(c, run_id, attempt, memory))

    async def pause(self, run_id: str, attempt: int, pause: Pause) -> Ended | None:
        return await self._database.write(lambda c: run_ends.pause(c, run_id, attempt, pause))

    async def finish(self, run_id: str, attempt: int, reply: Reply) -> Ended | None:
        return await self._database.write(
            lambda c: run_ends.finish(c, run_id, attempt, reply, self._limits)
        )

    async def cancel(self, tenant_id: str, run_id: str, by: str, at_ms: int) -> list[Ended]:
        return await self._database.write(
            lambda c: run_cancels.cancel(c, tenant_id, run_id, by, at_ms)
        )

    async def end_cancelled(self, run_id: str, at_ms: int) -> Ended | None:
        return await self._database.write(lambda c: run_cancels.end_cancelled(c, run_id, at_ms))

    async def again(
        self, tenant_id: str, run_id: str, new: Run, key: RequestKey | None = None
    ) -> Ended | None:
        try:
            return await self._database.write(
                lambda c: run_again.again(c, tenant_id, run_id, new, self._limits, key)
            )
        except run_again.NotAgain:
            return None

    async def made_by(self, key: RequestKey) -> Run | None:
        return await self._database.read(lambda c: _made_by(c, key))

    async def take(
        self, tenant_id: str, participant_id: str, run_id: str, worker: str, lease_ms: int
    ) -> Run | None:
        return await self._database.write(
            lambda c: run_leases.take(c, tenant_id, participant_id, run_id, worker, lease_ms)
        )

    async def offered(self, tenant_id: str, participant_id: str) -> list[Run]:
        which = _waits_for(tenant_id, participant_id)
        return await self._database.read(lambda c: _select(c, which))

    async def due(self, grace_ms: int, limit: int) -> list[str]:
        return await self._database.read(lambda c: run_leases.due(c, grace_ms, limit))

    async def count_open(self) -> dict[str, int]:
        return await self._database.read(_count_open)

    async def release_all(self) -> int:
        return await self._database.write(_release_all)

    async def usage(self, tenant_id: str, group_by: str, since_ms: int) -> list[Json]:
        return await self._database.read(
            lambda c: _usage(c, tenant_id, group_by, since_ms), long=True
        )


def _select(connection: Connection, which: ColumnElement[bool]) -> list[Run]:
    found = connection.execute(rows.select_runs().where(which).order_by(runs.c.id))
    return [rows.run_of(row) for row in found]


def _made_by(connection: Connection, key: RequestKey) -> Run | None:
    found = _select(connection, runs.c.id == made_by(connection, key))
    return found[0] if found else None


def _page(connection: Connection, room_id: str, page: Page) -> list[Run]:
    statement = rows.select_runs().where(runs.c.room_id == room_id)
    if page.after:
        statement = statement.where(runs.c.id < page.after)
    found = connection.execute(statement.order_by(runs.c.id.desc()).limit(page.limit))
    return [rows.run_of(row) for row in found]


def _waits_for(tenant_id: str, participant_id: str) -> ColumnElement[bool]:
    return and_(
        runs.c.tenant_id == tenant_id, runs.c.participant_id == participant_id,
        runs.c.state == "waiting", runs.c.awaits == "socket",
    )  # fmt: skip


def _count_open(connection: Connection) -> dict[str, int]:
    return {row[0]: row[1] for row in fetch(connection, _COUNT_OPEN)}


def _release_all(connection: Connection) -> int:
    released = update(runs).where(runs.c.state == "running").values(lease_until_ms=0)
    return connection.execute(released).rowcount


def _usage(connection: Connection, tenant_id: str, group_by: str, since_ms: int) -> list[Json]:
    key = _group(connection, group_by)
    spent = func.sum(runs.c.finished_ms - func.coalesce(runs.c.started_ms, runs.c.finished_ms))
    statement = (
        select(
            key.label("key"),
            func.count().label("runs"),
            *(
                func.coalesce(func.sum(runs.c.usage[name].as_integer()), 0).label(name)
                for name in ("prompt_tokens", "completion_tokens")
            ),
            func.coalesce(spent, 0).label("ms"),
            func.coalesce(func.sum(runs.c.usage["cost"].as_float()), 0.0).label("cost"),
        )
        .join(
            participants,
            and_(
                participants.c.tenant_id == runs.c.tenant_id,
                participants.c.id == runs.c.participant_id,
            ),
        )
        .where(runs.c.tenant_id == tenant_id, runs.c.finished_ms >= since_ms)
        .where(runs.c.state.in_(ENDED - {"suppressed"}))
        .group_by(key)
        .order_by(key)
    )
    return [
        {"key": row.key, "runs": row.runs, "prompt_tokens": int(row.prompt_tokens),
         "completion_tokens": int(row.completion_tokens), "seconds": int(row.ms) / 1000,
         "cost": float(row.cost)}
        for row in connection.execute(statement)
    ]  # fmt: skip


def _group(connection: Connection, group_by: str) -> ColumnElement[Any]:
    if group_by == "model":
        return func.coalesce(participants.c.driver["model"].as_string(), "")
    if group_by != "day":
        return _GROUPS[group_by]
    return date_of(connection, runs.c.finished_ms)
