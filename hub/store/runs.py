"""Runs: leases on database time, fenced by attempt, ended together with their message."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, or_, select, update

from hub.core.posts import LogEntry, LogRow, run_event
from hub.core.runs import sources_of
from hub.core.values import Json, Message, Run
from hub.ports import Ended, Page, Reply
from hub.store import rows
from hub.store.common import append, now_ms
from hub.store.database import Database
from hub.store.schema import messages, participants, rooms, runs, sessions


def lane_of(run: Run) -> str:
    """Runs of one lane go one after the other: a participant's in a thread, or a session's."""
    if run.room_id.startswith("sess_"):
        return run.room_id
    return f"{run.thread_id}:{run.participant_id}"


class SqlRuns:
    """`RunStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        return await self._database.write(lambda c: _claim(c, run_id, worker, lease_ms))

    async def renew(self, run_id: str, attempt: int, lease_ms: int) -> bool:
        return await self._database.write(lambda c: _renew(c, run_id, attempt, lease_ms))

    async def finish(self, run_id: str, attempt: int, reply: Reply) -> Ended | None:
        return await self._database.write(lambda c: _finish(c, run_id, attempt, reply))

    async def due(self, grace_ms: int, limit: int) -> list[str]:
        return await self._database.read(lambda c: _due(c, grace_ms, limit))

    async def release_all(self) -> int:
        return await self._database.write(_release_all)


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
    """Queued or abandoned, and first in its lane."""
    other = runs.alias("other")
    ahead = exists(
        select(other.c.id).where(
            other.c.lane == runs.c.lane,
            other.c.id != runs.c.id,
            or_(
                other.c.state == "running",
                and_(other.c.state == "queued", other.c.id < runs.c.id),
            ),
        )
    )
    abandoned = and_(runs.c.state == "running", runs.c.lease_until_ms < now_ms(connection))
    return and_(or_(runs.c.state == "queued", abandoned), ~ahead)


def _claim(connection: Connection, run_id: str, worker: str, lease_ms: int) -> Run | None:
    now = now_ms(connection)
    claimed = connection.execute(
        update(runs)
        .where(runs.c.id == run_id, _claimable(connection))
        .values(state="running", attempt=runs.c.attempt + 1, worker=worker, started_ms=now,
                lease_until_ms=now + lease_ms)
    )  # fmt: skip
    return _select(connection, runs.c.id == run_id)[0] if claimed.rowcount else None


def _held(run_id: str, attempt: int) -> ColumnElement[bool]:
    return and_(runs.c.id == run_id, runs.c.attempt == attempt, runs.c.state == "running")


def _renew(connection: Connection, run_id: str, attempt: int, lease_ms: int) -> bool:
    until = now_ms(connection) + lease_ms
    kept = connection.execute(
        update(runs).where(_held(run_id, attempt)).values(lease_until_ms=until)
    )
    return bool(kept.rowcount)


def _finish(connection: Connection, run_id: str, attempt: int, reply: Reply) -> Ended | None:
    mine = and_(
        runs.c.id == run_id, runs.c.attempt == attempt, runs.c.state.in_(sources_of(reply.state))
    )
    values = {
        "state": reply.state, "reason": reply.reason, "usage": reply.usage, "error": reply.error,
        "context": reply.context, "first_delta_ms": reply.first_delta_ms,
        "finished_ms": reply.at_ms, "lease_until_ms": None,
    }  # fmt: skip
    _lock_room_of(connection, run_id)
    if not connection.execute(update(runs).where(mine).values(**values)).rowcount:
        return None
    run = _select(connection, runs.c.id == run_id)[0]
    entries = _write_end(connection, run, reply)
    return Ended(run, tuple(entries), _next_in_lane(connection, run))


def _lock_room_of(connection: Connection, run_id: str) -> None:
    """Rooms are locked before runs, in every transaction."""
    room = select(runs.c.room_id).where(runs.c.id == run_id).scalar_subquery()
    connection.execute(select(rooms.c.id).where(rooms.c.id == room).with_for_update(key_share=True))


def _write_end(connection: Connection, run: Run, reply: Reply) -> list[LogRow]:
    new: list[tuple[str, str, Json | None]] = [("run.finished", run.id, run_event(run))]
    if reply.text is None:
        return [(e, None) for e in append(connection, run.room_id, new, reply.at_ms, access=False)]
    new.insert(0, ("message.created", run.reply_message_id, None))
    created, finished = append(connection, run.room_id, new, reply.at_ms, access=False)
    message = _write_message(connection, run, reply, created)
    return [(created, message), (finished, None)]


def _write_message(connection: Connection, run: Run, reply: Reply, entry: LogEntry) -> Message:
    in_session = run.room_id.startswith("sess_")
    author = connection.execute(
        rows.select_participants().where(
            participants.c.tenant_id == run.tenant_id, participants.c.id == run.participant_id
        )
    ).one()
    message = Message(
        id=run.reply_message_id, room_id=run.room_id, seq=entry.seq,
        thread_id=None if in_session else run.thread_id,
        author=rows.participant_of(author).author(), content=reply.text or "", mention=(),
        created_ms=reply.at_ms, run_id=run.id, status=reply.status,
        finish_reason=reply.finish_reason, usage=reply.usage,
    )  # fmt: skip
    connection.execute(insert(messages).values(**_message_row(message, run)))
    _count(connection, run, reply.at_ms, in_session)
    return message


def _message_row(message: Message, run: Run) -> dict[str, Any]:
    return {
        "id": message.id, "room_id": message.room_id, "seq": message.seq,
        "tenant_id": run.tenant_id, "thread_id": message.thread_id,
        "author_id": message.author.id, "content": message.content, "mention": None,
        "created_ms": message.created_ms, "run_id": run.id, "status": message.status,
        "depth": run.depth, "root_message_id": run.root_message_id,
        "finish_reason": message.finish_reason, "usage": message.usage,
    }  # fmt: skip


def _count(connection: Connection, run: Run, at_ms: int, in_session: bool) -> None:
    if in_session:
        connection.execute(
            update(sessions)
            .where(sessions.c.id == run.room_id)
            .values(message_count=sessions.c.message_count + 1, updated_ms=at_ms)
        )
        return
    connection.execute(
        update(messages)
        .where(messages.c.id == run.thread_id)
        .values(reply_count=messages.c.reply_count + 1, last_reply_ms=at_ms)
    )


def _next_in_lane(connection: Connection, run: Run) -> str | None:
    statement = (
        select(runs.c.id)
        .where(runs.c.lane == lane_of(run), runs.c.state == "queued")
        .order_by(runs.c.id)
        .limit(1)
    )
    return connection.execute(statement).scalar()


def _due(connection: Connection, grace_ms: int, limit: int) -> list[str]:
    now = now_ms(connection)
    late = or_(
        and_(runs.c.state == "queued", runs.c.created_ms < now - grace_ms),
        and_(runs.c.state == "running", runs.c.lease_until_ms < now),
    )
    statement = (
        select(runs.c.id)
        .where(runs.c.finished_ms.is_(None), late, _claimable(connection))
        .order_by(runs.c.created_ms, runs.c.id)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def _release_all(connection: Connection) -> int:
    released = update(runs).where(runs.c.state == "running").values(lease_until_ms=0)
    return connection.execute(released).rowcount
