"""Sessions: one user, and one model or a person in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hub.core.posts import LogRow, RequestKey
from hub.core.values import Json, Member, Message, Participant, Room, Run, Session
from hub.ports.audit import AuditEntry
from hub.ports.common import Page, Written

Asked = Mapping[str, str]
"""What the metadata of sessions must have: keys of its top level, each with its value as text."""

ANY_METADATA: Final[Asked] = {}
Drafts = Mapping[str, tuple[int, str]]
"""The text that is being written, with its attempt, by run."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A session as it is now, what to publish, the runs to be worked and those to be cut short."""

    session: Session
    entries: tuple[LogRow, ...] = ()
    woken: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promotion:
    """The room a session becomes, with its members. `model_id` is who was the session's model;
    a `persona` of that id is new."""

    room: Room
    members: tuple[Member, ...]
    model_id: str
    persona: Participant | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """The last message said anew, and the run that answers it."""

    message_id: str
    content: str
    run: Run
    at_ms: int


@dataclass(frozen=True, slots=True)
class Edited:
    """The message as it is now, its run unless a person answers, what to publish."""

    message: Message
    run: Run | None
    entries: tuple[LogRow, ...]


class SessionStore(Protocol):
    async def create(
        self, session: Session, room: Room, members: Sequence[Member], key: RequestKey | None
    ) -> Written: ...

    async def get(
        self, tenant_id: str, session_id: str, *, deleted: bool = False
    ) -> Session | None:
        """The session; one that was deleted only when asked for."""

    async def page(
        self,
        tenant_id: str,
        owner: str | None,
        status: str | None,
        page: Page,
        asked: Asked = ANY_METADATA,
    ) -> list[Session]: ...

    async def waiting(
        self, tenant_id: str, owner: str | None, page: Page, asked: Asked = ANY_METADATA
    ) -> list[Session]:
        """The sessions that wait for a person, the longest wait first; `page.after` is the last
        one's `waiting_ms:id`."""

    async def taken(
        self, tenant_id: str, handler: str, page: Page, asked: Asked = ANY_METADATA
    ) -> list[Session]:
        """The active sessions in which a person answers, the newest first; `page.after` is the
        last one's id."""

    async def update(
        self, tenant_id: str, session_id: str, changes: Json, audit: AuditEntry
    ) -> Changed | None:
        """Change fields, and say so in the log. SESSION_CLOSED for opening one that became a
        room."""

    async def entitle(
        self, tenant_id: str, session_id: str, title: str, at_ms: int
    ) -> Changed | None:
        """Give a title to a session without one; None when it has one."""

    async def escalate(
        self, tenant_id: str, session_id: str, message: str | None, audit: AuditEntry
    ) -> Changed | None:
        """Let it wait for a person; one that waits, or has one, stays as it is."""

    async def take_over(
        self, tenant_id: str, session_id: str, agent: Member, drafts: Drafts, audit: AuditEntry
    ) -> Changed | None:
        """Let a person answer instead of the model, which is silent from this moment: what it was
        writing ends with what there is in `drafts`, and messages start no runs. Of several who
        take it one has it, the others get SESSION_TAKEN."""

    async def hand_back(
        self, tenant_id: str, session_id: str, note: str | None, audit: AuditEntry
    ) -> Changed | None:
        """Let the model answer again; one that has no person stays as it is."""

    async def promote(
        self, tenant_id: str, session_id: str, promotion: Promotion, audit: AuditEntry
    ) -> Changed | None:
        """Make it a room: what was said moves there and keeps its ids and seqs, and the session is
        closed. One that became a room before stays. SESSION_BUSY while a reply is written."""

    async def edit_last(self, tenant_id: str, session_id: str, edit: Edit) -> Edited | None:
        """Change the last message of the session's user, delete what was answered, ask anew. None
        for no such message of theirs, 422 for one that is not the last, SESSION_BUSY while a reply
        is written, MODEL_UNAVAILABLE where neither its model nor a person would answer."""

    async def delete(self, tenant_id: str, session_id: str, audit: AuditEntry) -> Changed | None:
        """Hide the session, also as a room; what it held stays, and so does its audit trail."""

    async def erase(self, tenant_id: str, session_id: str, audit: AuditEntry) -> bool:
        """Delete the session, its messages, log and runs for good; its audit trail stays."""
