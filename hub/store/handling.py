"""Who answers in a session: its model, or a person who took it over. Each change is one
transaction under the room's lock, so that of two who take a session one has it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, select, update

from hub.core.chat import estimate_tokens
from hub.core.governor import Limits
from hub.core.posts import LogRow, session_taken
from hub.core.values import Engagement, Json, Member, Run, Session
from hub.ports import AuditEntry, Changed, Drafts, Reply
from hub.store import rows, run_ends, session_rows
from hub.store.access_changes import note_change
from hub.store.common import append, bare, write_audit
from hub.store.rooms import join
from hub.store.schema import members, runs


@dataclass(slots=True)
class _Story:
    """What a change leaves in the log, and the runs whose workers are to be told."""

    entries: list[LogRow] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    def changed(self, session: Session) -> Changed:
        return Changed(session, tuple(self.entries), tuple(self.woken), tuple(self.cut))


def escalate(
    connection: Connection, tenant_id: str, session_id: str, message: str | None, audit: AuditEntry
) -> Changed | None:
    """See `SessionStore.escalate`."""
    session = session_rows.lock_open(connection, tenant_id, session_id)
    if session is None:
        return None
    after, entries = session_rows.escalate(connection, session, message, audit.at_ms)
    if entries:
        write_audit(connection, audit)
    return Changed(after, entries)


def take_over(
    connection: Connection,
    tenant_id: str,
    session_id: str,
    agent: Member,
    drafts: Drafts,
    audit: AuditEntry,
    limits: Limits,
) -> Changed | None:
    """See `SessionStore.take_over`."""
    session = session_rows.lock_open(connection, tenant_id, session_id)
    if session is None or session.handler == agent.author.id:
        return Changed(session) if session else None
    if session.handler is not None:
        raise session_taken(session.handler)
    story = _Story()
    if not _is_member(connection, session_id, agent.author.id):
        story.entries += bare(join(connection, tenant_id, session_id, [agent]))
    story.entries += _engage(connection, session, "off", audit.at_ms)
    _silence(connection, session, agent, drafts, audit.at_ms, limits, story)
    since = story.entries[-1][0].seq
    by = {"id": agent.author.id, "name": agent.author.name}
    changes: Json = session_rows.NOT_WAITING | {
        "handling": "human", "handler": agent.author.id,
        "handover": {"by": by, "since_seq": since, "until_seq": None, "note": None},
    }  # fmt: skip
    after, entries = session_rows.change(connection, session, changes, audit.at_ms, audit.actor)
    story.entries += entries
    write_audit(connection, audit)
    return story.changed(after)


def hand_back(
    connection: Connection, tenant_id: str, session_id: str, note: str | None, audit: AuditEntry
) -> Changed | None:
    """See `SessionStore.hand_back`."""
    session = session_rows.lock_open(connection, tenant_id, session_id)
    if session is None or session.handler is None:
        return Changed(session) if session else None
    story = _Story()
    if session.handler != session.owner:
        story.entries += _leave(connection, session, session.handler, audit.at_ms)
    story.entries += _engage(connection, session, "always", audit.at_ms)
    over = {"until_seq": story.entries[-1][0].seq, "note": note}
    changes: Json = {
        "handling": "ai", "handler": None, "handover": (session.handover or {}) | over,
    }  # fmt: skip
    after, entries = session_rows.change(connection, session, changes, audit.at_ms, audit.actor)
    story.entries += entries
    write_audit(connection, audit)
    return story.changed(after)


def _is_member(connection: Connection, session_id: str, participant_id: str) -> bool:
    here = select(members.c.participant_id).where(
        members.c.room_id == session_id, members.c.participant_id == participant_id
    )
    return connection.execute(here).first() is not None


def _engage(
    connection: Connection, session: Session, engagement: Engagement, at_ms: int
) -> tuple[LogRow, ...]:
    """Let the model answer, or be silent: posts that were authorised before are asked again."""
    mine = (members.c.room_id == session.id) & (members.c.participant_id == session.participant_id)
    connection.execute(update(members).where(mine).values(engagement=engagement))
    found = connection.execute(rows.select_members().where(mine)).one()
    entry = ("member.updated", session.participant_id, rows.member_of(found).as_dict())
    return bare(append(connection, session.id, [entry], at_ms, access=True))


def _leave(
    connection: Connection, session: Session, participant_id: str, at_ms: int
) -> tuple[LogRow, ...]:
    mine = (members.c.room_id == session.id) & (members.c.participant_id == participant_id)
    connection.execute(delete(members).where(mine))
    kind = participant_id.split("_", 1)[0]
    entry = ("member.left", participant_id, {"type": kind, "id": participant_id})
    entries = append(connection, session.id, [entry], at_ms, access=True)
    note_change(connection, "room", session.id, at_ms)
    return bare(entries)


def _silence(
    connection: Connection,
    session: Session,
    agent: Member,
    drafts: Drafts,
    at_ms: int,
    limits: Limits,
    story: _Story,
) -> None:
    """End what is being written, or waits to be, with what there is of its text. The worker finds
    that it has lost the run, so that nothing of the model comes after this."""
    mine = (runs.c.room_id == session.id) & runs.c.finished_ms.is_(None)
    found = connection.execute(rows.select_runs().where(mine).order_by(runs.c.id)).all()
    for run in map(rows.run_of, found):
        asked = update(runs).where(runs.c.id == run.id)
        connection.execute(asked.values(cancelled_by=agent.author.id))
        reason = f"{agent.author.name} took the session over"
        reply = _cut_short(run, drafts, at_ms, reason)
        ended = run_ends.finish(connection, run.id, run.attempt, reply, limits)
        story.entries += ended.entries if ended else ()
        if run.state == "running":
            story.cut.append(run.id)
        elif run.attempt:
            story.woken.append(run.id)


def _cut_short(run: Run, drafts: Drafts, at_ms: int, reason: str) -> Reply:
    attempt, text = drafts.get(run.id, (0, ""))
    if attempt != run.attempt or not text.strip():
        return Reply("cancelled", None, at_ms, "cancelled", reason)
    usage = {"prompt_tokens": 0, "completion_tokens": estimate_tokens(text), "estimated": True}
    return Reply("cancelled", text, at_ms, "cancelled", reason, usage=usage)
