"""Runs: leases on database time, fenced by attempt; whose turn it is. Their ends are in
`run_ends.py`."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    exc,
    exists,
    func,
    or_,
    select,
    update,
)

from hub.core.governor import Limits
from hub.core.runs import ENDED
from hub.core.values import Json, Run
from hub.ports import Ended, Page, Pause, Reply
from hub.store import rows, run_ends
from hub.store.common import date_of, now_ms
from hub.store.database import Database
from hub.store.schema import participants, runs

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
        try:
            return await self._database.write(lambda c: _claim(c, run_id, worker, lease_ms))
        except exc.IntegrityError:  # another of its lane was taken at the same moment
            return None

    async def renew(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        return await self._database.write(lambda c: _renew(c, run_id, attempt, lease_ms))

    async def advance(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        return await self._database.write(lambda c: _advance(c, run_id, attempt, lease_ms))

    async def peek(self, run_id: str) -> Run | None:
        found = await self._database.read(lambda c: _select(c, runs.c.id == run_id))
        return found[0] if found else None

    async def remember(self, run_id: str, attempt: int, memory: Json) -> bool:
        return await self._database.write(lambda c: _remember(c, run_id, attempt, memory))

    async def pause(self, run_id: str, attempt: int, pause: Pause) -> Ended | None:
        return await self._database.write(lambda c: run_ends.pause(c, run_id, attempt, pause))

    async def finish(self, run_id: str, attempt: int, reply: Reply) -> Ended | None:
        return await self._database.write(
            lambda c: run_ends.finish(c, run_id, attempt, reply, self._limits)
        )

    async def cancel(self, tenant_id: str, run_id: str, by: str, at_ms: int) -> list[Ended]:
        return await self._database.write(
            lambda c: run_ends.cancel(c, tenant_id, run_id, by, at_ms)
        )

    async def end_cancelled(self, run_id: str, at_ms: int) -> Ended | None:
        return await self._database.write(lambda c: run_ends.end_cancelled(c, run_id, at_ms))

    async def again(self, tenant_id: str, run_id: str, new: Run) -> Ended | None:
        return await self._database.write(
            lambda c: run_ends.again(c, tenant_id, run_id, new, self._limits)
        )

    async def take(
        self, tenant_id: str, participant_id: str, run_id: str, worker: str, lease_ms: int
    ) -> Run | None:
        which = and_(_waits_for(tenant_id, participant_id), runs.c.id == run_id)
        return await self._database.write(lambda c: _take(c, which, run_id, worker, lease_ms))

    async def offered(self, tenant_id: str, participant_id: str) -> list[Run]:
        which = _waits_for(tenant_id, participant_id)
        return await self._database.read(lambda c: _select(c, which))

    async def due(self, grace_ms: int, limit: int) -> list[str]:
        return await self._database.read(lambda c: _due(c, grace_ms, limit))

    async def release_all(self) -> int:
        return await self._database.write(_release_all)

    async def usage(self, tenant_id: str, group_by: str, since_ms: int) -> list[Json]:
        return await self._database.read(lambda c: _usage(c, tenant_id, group_by, since_ms))


def _select(connection: Connection, which: ColumnElement[bool]) -> list[Run]:
    found = connection.execute(rows.select_runs().where(which).order_by(runs.c.id))
    return [rows.run_of(row) for row in found]


def _page(connection: Connection, room_id: str, page: Page) -> list[Run]:
    statement = rows.select_runs().where(runs.c.room_id == room_id)
    if page.after:
        statement = statement.where(runs.c.id < page.after)
    found = connection.execute(statement.order_by(runs.c.id.desc()).limit(page.limit))
    return [rows.run_of(row) for row in found]


def _claimable(connection: Connection) -> ColumnElement[bool]:
    """Queued, abandoned, or waiting past its time; and first in its lane."""
    other = runs.alias("other")
    ahead = exists(
        select(other.c.id).where(
            other.c.lane == runs.c.lane,
            other.c.id != runs.c.id,
            or_(
                other.c.state.in_(("running", "waiting")),
                and_(other.c.state == "queued", other.c.id < runs.c.id),
            ),
        )
    )
    over = and_(
        runs.c.state.in_(("running", "waiting")), runs.c.lease_until_ms < now_ms(connection)
    )
    return and_(or_(runs.c.state == "queued", over), ~ahead)


def _claim(connection: Connection, run_id: str, worker: str, lease_ms: int) -> Run | None:
    which = and_(runs.c.id == run_id, _claimable(connection))
    return _begin(connection, which, run_id, worker, lease_ms)


def _begin(
    connection: Connection, which: ColumnElement[bool], run_id: str, worker: str, lease_ms: int
) -> Run | None:
    now = now_ms(connection)
    claimed = connection.execute(
        update(runs)
        .where(which)
        .values(state="running", attempt=runs.c.attempt + 1, worker=worker, started_ms=now,
                lease_until_ms=now + lease_ms)
    )  # fmt: skip
    return _select(connection, runs.c.id == run_id)[0] if claimed.rowcount else None


def _take(
    connection: Connection, which: ColumnElement[bool], run_id: str, worker: str, lease_ms: int
) -> Run | None:
    """It waits no longer: when its bot goes away it is worked anew, not too late."""
    if _begin(connection, which, run_id, worker, lease_ms) is None:
        return None
    connection.execute(update(runs).where(runs.c.id == run_id).values(awaits=None))
    return _select(connection, runs.c.id == run_id)[0]


def _waits_for(tenant_id: str, participant_id: str) -> ColumnElement[bool]:
    return and_(
        runs.c.tenant_id == tenant_id, runs.c.participant_id == participant_id,
        runs.c.state == "waiting", runs.c.awaits == "socket",
    )  # fmt: skip


def _renew(connection: Connection, run_id: str, attempt: int, lease_ms: int) -> Run | None:
    until = now_ms(connection) + lease_ms
    held = run_ends.held(run_id, attempt)
    kept = connection.execute(update(runs).where(held).values(lease_until_ms=until))
    return _select(connection, runs.c.id == run_id)[0] if kept.rowcount else None


def _advance(connection: Connection, run_id: str, attempt: int, lease_ms: int) -> Run | None:
    until = now_ms(connection) + lease_ms
    values = {"attempt": runs.c.attempt + 1, "lease_until_ms": until}
    held = run_ends.held(run_id, attempt)
    moved = connection.execute(update(runs).where(held).values(**values))
    return _select(connection, runs.c.id == run_id)[0] if moved.rowcount else None


def _remember(connection: Connection, run_id: str, attempt: int, memory: Json) -> bool:
    held = run_ends.held(run_id, attempt)
    return bool(connection.execute(update(runs).where(held).values(memory=memory)).rowcount)


def _due(connection: Connection, grace_ms: int, limit: int) -> list[str]:
    now = now_ms(connection)
    cancelled = and_(runs.c.cancelled_by.is_not(None), runs.c.state.in_(("queued", "waiting")))
    late = or_(
        and_(runs.c.state == "queued", runs.c.created_ms < now - grace_ms),
        and_(runs.c.state.in_(("running", "waiting")), runs.c.lease_until_ms < now),
    )
    which = and_(runs.c.finished_ms.is_(None), or_(cancelled, and_(late, _claimable(connection))))
    return list(connection.execute(_by_turns(which).limit(limit)).scalars())


def _by_turns(which: ColumnElement[bool]) -> Select[Any]:
    """Ids so that tenants take turns, and within each its rooms: nobody waits behind a crowd."""
    oldest = (runs.c.created_ms, runs.c.id)
    in_room = func.row_number().over(partition_by=runs.c.room_id, order_by=oldest).label("turn")
    rooms: Subquery = (
        select(runs.c.id, runs.c.tenant_id, runs.c.created_ms, in_room).where(which).subquery()
    )
    by_turn = (rooms.c.turn, rooms.c.created_ms, rooms.c.id)
    in_tenant = func.row_number().over(partition_by=rooms.c.tenant_id, order_by=by_turn)
    tenants: Subquery = select(rooms.c.id, rooms.c.created_ms, in_tenant.label("turn")).subquery()
    return select(tenants.c.id).order_by(tenants.c.turn, tenants.c.created_ms, tenants.c.id)


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
