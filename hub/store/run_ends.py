"""How runs end or pause: together with their message, in one transaction, fenced by attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, and_, select, update

from hub.core.governor import Budget, Limits, Spent, budget_of
from hub.core.posts import LogRow, decided_event, run_event
from hub.core.runs import ENDED, sources_of
from hub.core.triggers import (
    Call,
    Cause,
    Effects,
    decide,
    lane_of,
    refused,
    unsummoned,
)
from hub.core.values import Author, Json, Message, Run
from hub.ports import Ended, Pause, Reply
from hub.store import rows, session_rows
from hub.store.common import NewEntry, append
from hub.store.posted import INSERT_RUN, run_row
from hub.store.queries import drive, fetch, json_text, json_value
from hub.store.rows import RUN_TEXT, run_of_text
from hub.store.run_leases import HELD
from hub.store.schema import messages, runs
from hub.store.triggers import read_ground, write_effects, write_use

_LOCK_ROOM: Final = """SELECT settings FROM rooms WHERE id = (SELECT room_id FROM runs
    WHERE id = $1) FOR NO KEY UPDATE"""
# It began by the database's clock and ends by that of who worked it, which may be behind.
_END: Final = """UPDATE runs SET state = $3, reason = $4, usage = $5, error = $6, context = $7,
    first_delta_ms = CASE WHEN $8 < started_ms THEN started_ms ELSE $8 END,
    finished_ms = CASE WHEN $9 < started_ms THEN started_ms ELSE $9 END,
    lease_until_ms = NULL, awaits = NULL
    WHERE id = $1 AND attempt = $2"""
_ENDS: Final = {
    state: f"{_END} AND state IN {sources_of(state)} RETURNING {RUN_TEXT}"
    for state in ENDED - {"suppressed"}
}
_PAUSE: Final = f"""UPDATE runs SET state = 'waiting', awaits = $3, reason = $4, memory = $5,
    lease_until_ms = now_ms() + $6 WHERE {HELD} RETURNING {RUN_TEXT}"""
_READ: Final = f"SELECT {RUN_TEXT} FROM runs WHERE id = $1"
_NEXT: Final = "SELECT id FROM runs WHERE lane = $1 AND state = 'queued' ORDER BY id LIMIT 1"
_AUTHOR: Final = """SELECT id, type, handle, name FROM participants
    WHERE tenant_id = $1 AND id = $2"""
_MESSAGE: Final = """INSERT INTO messages (id, room_id, seq, tenant_id, thread_id, author_id,
    content, mention, created_ms, run_id, depth, root_message_id, status, finish_reason, usage)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"""
_COUNT_SESSION: Final = """UPDATE sessions SET message_count = message_count + $2, updated_ms = $3
    WHERE id = $1"""
_COUNT_THREAD: Final = """UPDATE messages SET reply_count = reply_count + $2, last_reply_ms = $3
    WHERE id = $1"""


def read(connection: Connection, run_id: str) -> Run:
    return run_of_text(fetch(connection, _READ, run_id)[0])


def finish(
    connection: Connection, run_id: str, attempt: int, reply: Reply, limits: Limits
) -> Ended | None:
    """See `RunStore.finish`."""
    budget = lock_room_of(connection, run_id)
    said = (
        reply.state, reply.reason, json_text(reply.usage), json_text(reply.error),
        json_text(reply.context), reply.first_delta_ms, reply.at_ms,
    )  # fmt: skip
    ended = fetch(connection, _ENDS[reply.state], run_id, attempt, *said)
    if not ended:
        return None
    run, warning = _count_use(connection, run_of_text(ended[0]), budget, limits)
    event = run_event(run, warning)
    entries, called, cut = _write_end(connection, run, reply, event, budget, limits)
    entries += _escalate(connection, run, reply)
    return Ended(run, tuple(entries), (*called, *next_in_lane(connection, run)), tuple(cut))


def lock_room_of(connection: Connection, run_id: str) -> Budget | None:
    """Rooms are locked before runs, in every transaction. Returns the room's budget."""
    found = fetch(connection, _LOCK_ROOM, run_id)
    return budget_of(json_value(found[0][0])) if found else None


def _write_end(
    connection: Connection,
    run: Run,
    reply: Reply,
    event: Json,
    budget: Budget | None,
    limits: Limits,
) -> tuple[list[LogRow], list[str], list[str]]:
    """The log's entries, the runs called by the message on the room's budget, the runs it
    interrupts."""
    called: tuple[Run, ...] = ()
    effects = Effects()
    mention = reply.mention
    if reply.text is not None and (reply.summons or reply.calls):
        call = _call(run, reply, budget)
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
        ("run.finished", run.id, event),
        *map(decided_event, called),
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


def _call(run: Run, reply: Reply, budget: Budget | None) -> Call:
    return Call(
        run.tenant_id, run.room_id, run.reply_message_id, run.thread_id, run.participant_id,
        reply.at_ms, Cause(run.depth, run.root_message_id), reply.summons, reply.calls,
        budget,
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
    message = _message(connection, run, run.reply_message_id, seq, reply.at_ms, reply.text or "")
    ended = message._replace(
        mention=mention, status=reply.status, finish_reason=reply.finish_reason, usage=reply.usage
    )
    return _store(connection, run, ended)


def _message(
    connection: Connection, run: Run, message_id: str, seq: int, at_ms: int, content: str
) -> Message:
    """A message of the run's participant in its thread."""
    (author,) = fetch(connection, _AUTHOR, run.tenant_id, run.participant_id)
    thread_id = None if run.room_id.startswith("sess_") else run.thread_id
    return Message(
        message_id, run.room_id, seq, thread_id, Author(*author), content, (), at_ms, run_id=run.id,
        tenant_id=run.tenant_id, root_message_id=run.root_message_id,
    )  # fmt: skip


def _store(connection: Connection, run: Run, message: Message) -> Message:
    fetch(
        connection, _MESSAGE, message.id, message.room_id, message.seq, run.tenant_id,
        message.thread_id, message.author.id, message.content,
        json_text(list(message.mention) or None),
        message.created_ms, run.id, run.depth, run.root_message_id, message.status,
        message.finish_reason, json_text(message.usage),
    )  # fmt: skip
    _count(connection, run, 1, message.created_ms)
    return message


def _count(connection: Connection, run: Run, change: int, at_ms: int) -> None:
    """Keep the count of a session's messages, or of a thread's replies."""
    if change and run.room_id.startswith("sess_"):
        fetch(connection, _COUNT_SESSION, run.room_id, change, at_ms)
    elif change:
        fetch(connection, _COUNT_THREAD, run.thread_id, change, at_ms)


def insert_runs(connection: Connection, new: Sequence[Run]) -> None:
    """Store runs that were just decided."""
    for run in new:
        fetch(connection, INSERT_RUN, *run_row(run))


def _count_use(
    connection: Connection, run: Run, budget: Budget | None, limits: Limits
) -> tuple[Run, Json | None]:
    """Count what a run has used, and mark it when that brings a budget near its end."""
    usage = run.usage or {}
    tokens = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    end = run.finished_ms or 0
    used = Spent(0, tokens, end - (run.started_ms or end))
    warning = drive(connection, write_use(run, used, budget, limits))
    if warning is None:
        return run, None
    connection.execute(update(runs).where(runs.c.id == run.id).values(warning=warning))
    return replace(run, warning=warning), warning


def next_in_lane(connection: Connection, run: Run) -> tuple[str, ...]:
    lane = lane_of(run.room_id, run.thread_id, run.participant_id)
    return tuple(run_id for (run_id,) in fetch(connection, _NEXT, lane))


def pause(connection: Connection, run_id: str, attempt: int, pause: Pause) -> Ended | None:
    """See `RunStore.pause`."""
    lock_room_of(connection, run_id)
    said = (pause.awaits, pause.reason, json_text(pause.memory), pause.wait_ms)
    paused = fetch(connection, _PAUSE, run_id, attempt, *said)
    if not paused:
        return None
    run = run_of_text(paused[0])
    new: list[NewEntry] = [("run.waiting", run.id, run_event(run))]
    if pause.question is not None:
        new.insert(0, ("message.created", pause.message_id, None))
    entries = append(connection, run.room_id, new, pause.at_ms, access=False)
    about: dict[str, Message] = {}
    if pause.question is not None:
        asked = _message(
            connection, run, pause.message_id, entries[0].seq, pause.at_ms, pause.question
        )
        about[pause.message_id] = _store(connection, run, asked)
    woken = (run.id,) if run.cancelled_by else ()  # its end was asked for meanwhile
    return Ended(run, tuple((entry, about.get(entry.ref)) for entry in entries), woken)
