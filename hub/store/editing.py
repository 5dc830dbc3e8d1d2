"""The last message of a session's user, said anew: its answers go, and it is asked again."""

from __future__ import annotations

from sqlalchemy import Connection, and_, func, select, update

from hub.core.errors import invalid
from hub.core.governor import Limits
from hub.core.posts import LogRow, decided_event, session_busy, session_unanswered
from hub.core.values import Message, Run, Session
from hub.ports import Edit, Edited
from hub.store import rows, session_rows
from hub.store.common import NewEntry, append
from hub.store.run_again import count_again, has_model
from hub.store.run_ends import insert_runs
from hub.store.schema import messages, runs, sessions


def edit_last(
    connection: Connection, tenant_id: str, session_id: str, edit: Edit, limits: Limits
) -> Edited | None:
    """See `SessionStore.edit_last`."""
    session = session_rows.lock_open(connection, tenant_id, session_id)
    if session is None or not _is_last(connection, session, edit.message_id):
        return None
    unfinished = and_(runs.c.room_id == session_id, runs.c.finished_ms.is_(None))
    if connection.execute(select(runs.c.id).where(unfinished).limit(1)).first():
        raise session_busy()
    run = _asked(connection, session, edit)
    answers = _answers(connection, session, edit.message_id)
    _write(connection, edit, answers, session_id)
    new: list[NewEntry] = [("message.updated", edit.message_id, None)]
    new += [("message.deleted", answer, None) for answer in answers]
    if run is not None:
        run = count_again(connection, run, None, limits)
        insert_runs(connection, [run])
        new.append(decided_event(run))
    entries = append(connection, session_id, new, edit.at_ms, access=False)
    about = {one: _message(connection, one) for one in (edit.message_id, *answers)}
    log: tuple[LogRow, ...] = tuple((entry, about.get(entry.ref)) for entry in entries)
    return Edited(about[edit.message_id], run, log)


def _asked(connection: Connection, session: Session, edit: Edit) -> Run | None:
    """The run that answers it; None where a person does, or is waited for and nobody else could.
    Nobody's answer is deleted for one that cannot come."""
    if session.handling != "ai":
        return None
    if has_model(connection, session):
        return edit.run
    if session.waiting_ms is None:
        raise session_unanswered(session.model)
    return None


def _is_last(connection: Connection, session: Session, message_id: str) -> bool:
    """Whether it is there; 422 when it is not the last thing the user said."""
    theirs = and_(
        messages.c.room_id == session.id,
        messages.c.author_id == session.owner,
        messages.c.deleted_ms.is_(None),
    )
    mine = select(messages.c.seq).where(theirs, messages.c.id == message_id)
    seq = connection.execute(mine).scalar()
    if seq is None:
        return False
    if connection.execute(select(func.max(messages.c.seq)).where(theirs)).scalar() != seq:
        raise invalid("message_id", "only the last message of the session's user is edited")
    return True


def _answers(connection: Connection, session: Session, message_id: str) -> list[str]:
    """What the model said to it."""
    found = select(messages.c.id).where(
        messages.c.room_id == session.id,
        messages.c.author_id == session.participant_id,
        messages.c.root_message_id == message_id,
        messages.c.deleted_ms.is_(None),
    )
    return list(connection.execute(found.order_by(messages.c.seq)).scalars())


def _write(connection: Connection, edit: Edit, answers: list[str], session_id: str) -> None:
    said = {"content": edit.content, "edited_ms": edit.at_ms}
    connection.execute(update(messages).where(messages.c.id == edit.message_id).values(**said))
    gone = update(messages).where(messages.c.id.in_(answers))
    connection.execute(gone.values(deleted_ms=edit.at_ms))
    connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id)
        .values(message_count=sessions.c.message_count - len(answers), updated_ms=edit.at_ms)
    )


def _message(connection: Connection, message_id: str) -> Message:
    return rows.message_of(
        connection.execute(rows.select_messages().where(messages.c.id == message_id)).one()
    )
