"""Runs whose end is asked for: with all that their replies called, under their room's lock."""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, literal, select, update

from hub.core.posts import run_event
from hub.core.runs import NEWER, NEWER_CAME
from hub.core.values import Run
from hub.ports import Ended
from hub.store import rows
from hub.store.common import NewEntry, append
from hub.store.run_ends import lock_room_of, next_in_lane, read
from hub.store.schema import runs


def cancel(connection: Connection, tenant_id: str, run_id: str, by: str, at_ms: int) -> list[Ended]:
    """See `RunStore.cancel`."""
    which = (runs.c.tenant_id == tenant_id) & (runs.c.id == run_id)
    if connection.execute(select(runs.c.id).where(which)).first() is None:
        return []
    lock_room_of(connection, run_id)
    row = connection.execute(rows.select_runs().where(which)).first()
    if row is None:  # erased with its session meanwhile
        return []
    family = _with_children(connection, rows.run_of(row))
    asked = and_(
        runs.c.id.in_([one.id for one in family]),
        runs.c.finished_ms.is_(None),
        runs.c.cancelled_by.is_(None),
    )
    connection.execute(update(runs).where(asked).values(cancelled_by=by))
    ended = [end_cancelled(connection, one.id, at_ms) for one in family]
    running = [
        one.id
        for one in (read(connection, one.id) for one in family)
        if one.state == "running" and one.cancelled_by
    ]
    mark = Ended(read(connection, run_id), (), (), tuple(running))
    return [mark, *[each for each in ended if each]]


def _with_children(connection: Connection, run: Run) -> list[Run]:
    """A run and those that its reply called, and theirs."""
    family, generation = [run], [run]
    while generation:
        called_by = runs.c.trigger_message_id.in_([one.reply_message_id for one in generation])
        found = connection.execute(rows.select_runs().where(called_by).order_by(runs.c.id))
        generation = [rows.run_of(row) for row in found]
        family += generation
    return family


def end_cancelled(connection: Connection, run_id: str, at_ms: int) -> Ended | None:
    """See `RunStore.end_cancelled`."""
    lock_room_of(connection, run_id)
    mine = and_(
        runs.c.id == run_id,
        runs.c.cancelled_by.is_not(None),
        runs.c.state.in_(("queued", "waiting")),
    )
    values = {
        "state": "cancelled", "lease_until_ms": None, "awaits": None,
        "finished_ms": case((runs.c.started_ms > at_ms, runs.c.started_ms), else_=at_ms),
        "reason": case((runs.c.cancelled_by == NEWER, NEWER_CAME),
                       else_=literal("cancelled by ") + runs.c.cancelled_by),
    }  # fmt: skip
    if not connection.execute(update(runs).where(mine).values(**values)).rowcount:
        return None
    run = read(connection, run_id)
    new: list[NewEntry] = [("run.finished", run.id, run_event(run))]
    entries = append(connection, run.room_id, new, at_ms, access=False)
    rows_of_log = tuple((entry, None) for entry in entries)
    begun = (run.id,) if run.attempt else ()
    return Ended(run, rows_of_log, (*begun, *next_in_lane(connection, run)))
