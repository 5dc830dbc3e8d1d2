"""Runs that are tried again: the next generation, counted like any other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select

from hub.core.errors import Limited
from hub.core.governor import Budget, Limits
from hub.core.posts import RequestKey, decided_event, session_taken, session_unanswered
from hub.core.runs import ENDED
from hub.core.triggers import Call, Cause, Effects, Summons, reopen
from hub.core.values import Run, Session
from hub.ports import Ended
from hub.store import rows
from hub.store.common import append, claim_key
from hub.store.posted import closed
from hub.store.queries import drive
from hub.store.run_ends import insert_runs, lock_room_of, read
from hub.store.schema import participants, rooms, runs, sessions
from hub.store.triggers import read_ground, write_effects


class NotAgain(Exception):
    """The run is open, or was tried again, or is not there."""


def again(
    connection: Connection,
    tenant_id: str,
    run_id: str,
    new: Run,
    limits: Limits,
    key: RequestKey | None = None,
) -> Ended:
    """See `RunStore.again`; NotAgain takes the claim of the key back. Whether it may be is decided
    under the room's lock: whoever closes a session or takes it over at the same moment is not
    talked over."""
    which = (runs.c.tenant_id == tenant_id) & (runs.c.id == run_id)
    if connection.execute(rows.select_runs().where(which)).first() is None:
        raise NotAgain
    if earlier := claim_key(connection, key, new.id, new.created_ms):
        return Ended(read(connection, earlier), ())
    budget = lock_room_of(connection, run_id)
    old = read(connection, run_id)
    if old.room_id != new.room_id:  # its session became a room meanwhile
        raise NotAgain
    _refuse_silent(connection, old.room_id)
    later = select(runs.c.id).where(
        runs.c.trigger_message_id == old.trigger_message_id,
        runs.c.participant_id == old.participant_id,
        runs.c.generation > old.generation,
    )
    if old.state not in ENDED or connection.execute(later).first():
        raise NotAgain
    new = count_again(connection, new, budget, limits)
    insert_runs(connection, [new])
    queued = [decided_event(new)]
    entries = append(connection, new.room_id, queued, new.created_ms, access=False)
    return Ended(new, tuple((entry, None) for entry in entries), (new.id,))


def _refuse_silent(connection: Connection, room_id: str) -> None:
    """Raises why nothing is said there now, or not by its model."""
    room = select(rooms.c.archived_ms).where(rooms.c.id == room_id)
    archived_ms = connection.execute(room).scalar_one()
    session = connection.execute(sessions.select().where(sessions.c.id == room_id)).first()
    if error := closed(archived_ms, (session.status, session.deleted_ms) if session else None):
        raise error
    if session is not None and session.handler is not None:
        raise session_taken(session.handler)
    if session is not None and not has_model(connection, session):
        raise session_unanswered(session.model)


def has_model(connection: Connection, session: Row[Any] | Session) -> bool:
    """Whether a session's model is in use. Under its room's lock, which who takes a participant out
    of use waits for."""
    driven = select(participants.c.driver.is_not(None)).where(
        participants.c.tenant_id == session.tenant_id, participants.c.id == session.participant_id
    )
    return bool(connection.execute(driven).scalar())


def count_again(connection: Connection, new: Run, budget: Budget | None, limits: Limits) -> Run:
    """A run that is tried again counts like any other, and is marked like any other; Limited when
    there is no room for it. It is as if its reply called: the trigger itself may be the person's
    message that began it all."""
    summons = Summons(new.participant_id, new.id, new.reply_message_id)
    call = Call(
        new.tenant_id, new.room_id, new.reply_message_id, new.thread_id, new.caller_id,
        new.created_ms, Cause(new.depth - 1, new.root_message_id), (summons,), budget=budget,
    )  # fmt: skip
    ground, effects = drive(connection, read_ground([call], limits)), Effects()
    if over := reopen(call, ground, effects, limits):
        raise Limited(f"it is not tried again: {over}", code="BUDGET_EXCEEDED")
    drive(connection, write_effects(effects, new.created_ms))
    return replace(new, warning=effects.warnings.get(new.id))
