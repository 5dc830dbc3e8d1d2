"""How runs end or pause: together with their message, in one transaction, fenced by attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, insert, literal, select, update

from hub.core.errors import Limited
from hub.core.governor import Budget, Limits, Spent, budget_of
from hub.core.posts import LogRow, run_event
from hub.core.runs import ENDED, NEWER, NEWER_CAME, sources_of
from hub.core.triggers import (
    Call,
    Cause,
    Effects,
    Summons,
    decide,
    lane_of,
    refused,
    reopen,
    unsummoned,
)
from hub.core.values import Json, Message, Run
from hub.ports import Ended, Pause, Reply
from hub.store import rows, session_rows
from hub.store.common import append, now_ms
from hub.store.schema import messages, rooms, runs, sessions
from hub.store.triggers import drive, read_ground, write_effects, write_use

NewEntry = tuple[str, str, Json | None]


def held(run_id: str, attempt: int) -> ColumnElement[bool]:
    """A run that this attempt is working."""
    return and_(runs.c.id == run_id, runs.c.attempt == attempt, runs.c.state == "running")


def read(connection: Connection, run_id: str) -> Run:
    return rows.run_of(connection.execute(rows.select_runs().where(runs.c.id == run_id)).one())


def finish(
    connection: Connection, run_id: str, attempt: int, reply: Reply, limits: Limits
) -> Ended | None:
    """See `RunStore.finish`."""
    mine = and_(
        runs.c.id == run_id, runs.c.attempt == attempt, runs.c.state.in_(sources_of(reply.state))
    )
    budget = _lock_room_of(connection, run_id)
    if not connection.execute(update(runs).where(mine).values(**_end_values(reply))).rowcount:
        return None
    run = _count_use(connection, read(connection, run_id), budget, limits)
    entries, called, cut = _write_end(connection, run, reply, limits)
    entries += _escalate(connection, run, reply)
    return Ended(run, tuple(entries), (*called, *_next_in_lane(connection, run)), tuple(cut))


def _end_values(reply: Reply) -> dict[str, Any]:
    return {
        "state": reply.state, "reason": reply.reason, "usage": reply.usage, "error": reply.error,
        "context": reply.context, "first_delta_ms": reply.first_delta_ms,
        "finished_ms": reply.at_ms, "lease_until_ms": None, "awaits": None,
    }  # fmt: skip


def _lock_room_of(connection: Connection, run_id: str) -> Budget | None:
    """Rooms are locked before runs, in every transaction. Returns the room's budget."""
    room = select(runs.c.room_id).where(runs.c.id == run_id).scalar_subquery()
    mine = select(rooms.c.settings).where(rooms.c.id == room).with_for_update(key_share=True)
    return budget_of(connection.execute(mine).scalar() or {})


def _write_end(
    connection: Connection, run: Run, reply: Reply, limits: Limits
) -> tuple[list[LogRow], list[str], list[str]]:
    """The log's entries, the runs called by the message, the runs it interrupts."""
    called: tuple[Run, ...] = ()
    effects = Effects()
    mention = reply.mention
    if reply.text is not None and (reply.summons or reply.calls):
        call = _call(run, reply)
        ground = drive(connection, read_ground([call], limits))
        if refused(call, ground, limits):
            unheard = unsummoned(call)  # past the cap, who listens by itself is not spoken to
            mention = tuple(each for each in mention if each["id"] not in unheard)
            call = replace(call, calls=tuple(c for c in call.calls if c not in unheard))
        called = decide(call, ground, effects, limits)
    gone = _supersede(connection, run, reply)
    new: list[NewEntry] = [
        *([("message.created", run.reply_message_id, None)] if reply.text is not None else []),
        *[("message.deleted", message.id, None) for message in gone],
        ("run.finished", run.id, run_event(run)),
        *[
            ("run.queued" if r.state == "queued" else "run.finished", r.id, run_event(r))
            for r in called
        ],
    ]
    entries = append(connection, run.room_id, new, reply.at_ms, access=False)
    about: dict[str, Message] = {message.id: message for message in gone}
    if reply.text is not None:
        about[run.reply_message_id] = _write_reply(connection, run, reply, entries[0].seq, mention)
    insert_runs(connection, called)
    drive(connection, write_effects(effects, reply.at_ms))
    woken = [*(r.id for r in called if r.state == "queued"), *effects.idle]
    return [(entry, about.get(entry.ref)) for entry in entries], woken, effects.interrupted


def _escalate(connection: Connection, run: Run, reply: Reply) -> tuple[LogRow, ...]:
    """The participant asked for a person: its session waits for one."""
    if reply.escalation is None:
        return ()
    session = session_rows.find(connection, run.tenant_id, run.room_id)
    if session is None:
        return ()
    return session_rows.escalate(connection, session, reply.escalation, reply.at_ms)[1]


def _call(run: Run, reply: Reply) -> Call:
    return Call(
        run.tenant_id, run.room_id, run.reply_message_id, run.thread_id, run.participant_id,
        reply.at_ms, Cause(run.depth, run.root_message_id), reply.summons, reply.calls,
        reply.budget,
    )  # fmt: skip


def _supersede(connection: Connection, run: Run, reply: Reply) -> list[Message]:
    """The replies of earlier generations, deleted now that this one has something to say."""
    if run.generation == 0 or reply.state != "succeeded":
        return []
    earlier = select(runs.c.reply_message_id).where(
        runs.c.trigger_message_id == run.trigger_message_id,
        runs.c.participant_id == run.participant_id,
        runs.c.generation < run.generation,
    )
    which = and_(messages.c.id.in_(earlier), messages.c.deleted_ms.is_(None))
    found = list(connection.execute(rows.select_messages().where(which)))
    connection.execute(update(messages).where(which).values(deleted_ms=reply.at_ms))
    _count(connection, run, -len(found), reply.at_ms)
    after = [rows.select_messages().where(messages.c.id == row.id) for row in found]
    return [rows.message_of(connection.execute(each).one()) for each in after]


def _write_reply(
    connection: Connection, run: Run, reply: Reply, seq: int, mention: tuple[Json, ...]
) -> Message:
    about: dict[str, Any] = {
        "content": reply.text, "status": reply.status, "finish_reason": reply.finish_reason,
        "usage": reply.usage, "mention": list(mention) or None,
    }  # fmt: skip
    return _message(connection, run, run.reply_message_id, seq, reply.at_ms, about)


def _message(
    connection: Connection, run: Run, message_id: str, seq: int, at_ms: int, about: dict[str, Any]
) -> Message:
    """Store a message of the run's participant in its thread; `about` is what it says."""
    in_session = run.room_id.startswith("sess_")
    row = {
        "id": message_id, "room_id": run.room_id, "seq": seq, "tenant_id": run.tenant_id,
        "thread_id": None if in_session else run.thread_id, "author_id": run.participant_id,
        "created_ms": at_ms, "run_id": run.id, "depth": run.depth,
        "root_message_id": run.root_message_id,
    }  # fmt: skip
    connection.execute(insert(messages).values(**row, **about))
    _count(connection, run, 1, at_ms)
    stored = rows.select_messages().where(messages.c.id == message_id)
    return rows.message_of(connection.execute(stored).one())


def _count(connection: Connection, run: Run, change: int, at_ms: int) -> None:
    """Keep the count of a session's messages, or of a thread's replies."""
    if not change:
        return
    if run.room_id.startswith("sess_"):
        connection.execute(
            update(sessions)
            .where(sessions.c.id == run.room_id)
            .values(message_count=sessions.c.message_count + change, updated_ms=at_ms)
        )
        return
    connection.execute(
        update(messages)
        .where(messages.c.id == run.thread_id)
        .values(reply_count=messages.c.reply_count + change, last_reply_ms=at_ms)
    )


def insert_runs(connection: Connection, new: Sequence[Run]) -> None:
    """Store runs that were just decided."""
    for run in new:
        row = {column.name: getattr(run, column.name, None) for column in runs.c}
        row["lane"] = lane_of(run.room_id, run.thread_id, run.participant_id)
        connection.execute(insert(runs).values(**row))


def _count_use(connection: Connection, run: Run, budget: Budget | None, limits: Limits) -> Run:
    """Count what a run has used; it says so when that brings a budget near its end."""
    usage = run.usage or {}
    tokens = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    end = run.finished_ms or 0
    used = Spent(0, tokens, max(0, end - (run.started_ms or end)))
    warning = drive(connection, write_use(run, used, budget, limits))
    if warning is None:
        return run
    reason = f"{run.reason}; {warning}" if run.reason else warning
    connection.execute(update(runs).where(runs.c.id == run.id).values(reason=reason))
    return replace(run, reason=reason)


def _next_in_lane(connection: Connection, run: Run) -> tuple[str, ...]:
    statement = (
        select(runs.c.id)
        .where(
            runs.c.lane == lane_of(run.room_id, run.thread_id, run.participant_id),
            runs.c.state == "queued",
        )
        .order_by(runs.c.id)
        .limit(1)
    )
    return tuple(connection.execute(statement).scalars())


def pause(connection: Connection, run_id: str, attempt: int, pause: Pause) -> Ended | None:
    """See `RunStore.pause`."""
    _lock_room_of(connection, run_id)
    values = {
        "state": "waiting", "awaits": pause.awaits, "reason": pause.reason,
        "memory": pause.memory, "lease_until_ms": now_ms(connection) + pause.wait_ms,
    }  # fmt: skip
    mine = held(run_id, attempt)
    if not connection.execute(update(runs).where(mine).values(**values)).rowcount:
        return None
    run = read(connection, run_id)
    new: list[NewEntry] = [("run.waiting", run.id, run_event(run))]
    if pause.question is not None:
        new.insert(0, ("message.created", pause.message_id, None))
    entries = append(connection, run.room_id, new, pause.at_ms, access=False)
    about: dict[str, Message] = {}
    if pause.question is not None:
        said = {"content": pause.question}
        about[pause.message_id] = _message(
            connection, run, pause.message_id, entries[0].seq, pause.at_ms, said
        )
    return Ended(run, tuple((entry, about.get(entry.ref)) for entry in entries))


def cancel(connection: Connection, tenant_id: str, run_id: str, by: str, at_ms: int) -> list[Ended]:
    """See `RunStore.cancel`."""
    which = (runs.c.tenant_id == tenant_id) & (runs.c.id == run_id)
    row = connection.execute(rows.select_runs().where(which)).first()
    if row is None:
        return []
    run = rows.run_of(row)
    _lock_room_of(connection, run_id)
    family = _with_children(connection, run)
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
    _lock_room_of(connection, run_id)
    mine = and_(
        runs.c.id == run_id,
        runs.c.cancelled_by.is_not(None),
        runs.c.state.in_(("queued", "waiting")),
    )
    values = {
        "state": "cancelled", "finished_ms": at_ms, "lease_until_ms": None, "awaits": None,
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
    return Ended(run, rows_of_log, (*begun, *_next_in_lane(connection, run)))


def again(
    connection: Connection, tenant_id: str, run_id: str, new: Run, limits: Limits
) -> Ended | None:
    """See `RunStore.again`."""
    which = (runs.c.tenant_id == tenant_id) & (runs.c.id == run_id)
    if connection.execute(rows.select_runs().where(which)).first() is None:
        return None
    budget = _lock_room_of(connection, run_id)
    old = read(connection, run_id)
    later = select(runs.c.id).where(
        runs.c.trigger_message_id == old.trigger_message_id,
        runs.c.participant_id == old.participant_id,
        runs.c.generation > old.generation,
    )
    if old.state not in ENDED or connection.execute(later).first():
        return None
    count_again(connection, new, budget, limits)
    insert_runs(connection, [new])
    queued: list[NewEntry] = [("run.queued", new.id, run_event(new))]
    entries = append(connection, new.room_id, queued, new.created_ms, access=False)
    return Ended(new, tuple((entry, None) for entry in entries), (new.id,))


def count_again(connection: Connection, new: Run, budget: Budget | None, limits: Limits) -> None:
    """A run that is tried again counts like any other; Limited when there is no room for it. It
    is as if its reply called: the trigger itself may be the person's message that began it all."""
    summons = Summons(new.participant_id, new.id, new.reply_message_id)
    call = Call(
        new.tenant_id, new.room_id, new.reply_message_id, new.thread_id, new.caller_id,
        new.created_ms, Cause(new.depth - 1, new.root_message_id), (summons,), budget=budget,
    )  # fmt: skip
    ground, effects = drive(connection, read_ground([call], limits)), Effects()
    if over := reopen(call, ground, effects, limits):
        raise Limited(f"it is not tried again: {over}", code="BUDGET_EXCEEDED")
    drive(connection, write_effects(effects, new.created_ms))
