"""Sessions: one user, one model, history kept; each is a room of kind `session`."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable

from hub.core.errors import Conflict, Denied, invalid, missing
from hub.core.ids import MODEL_PERSONA, IdMaker, participant_type
from hub.core.posts import Posted, RequestKey, session_closed
from hub.core.values import Actor, Author, Json, Member, Message, Participant, Session
from hub.ports import ANY_METADATA, Asked, AuditEntry, Changed, Clock, Page, Store
from hub.service.messages import Messages
from hub.service.publisher import Publisher
from hub.service.rooms import Rooms
from hub.wire.requests import ChangeSession, CreateSession, PostMessage, SendMessage, given


def model_participant_id(slug: str) -> str:
    """The persona that stands for a model in sessions; one per slug, whatever its characters."""
    readable = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")[:40]
    return f"{MODEL_PERSONA}{readable}-{hashlib.sha256(slug.encode()).hexdigest()[:8]}"


class Sessions:
    """Use cases on sessions."""

    def __init__(
        self,
        store: Store,
        rooms: Rooms,
        messages: Messages,
        publisher: Publisher,
        knows_model: Callable[[str, str], Awaitable[bool]],
        ids: IdMaker,
        now_ms: Clock,
    ) -> None:
        self._store = store
        self._rooms = rooms
        self._messages = messages
        self._publisher = publisher
        self._knows_model = knows_model
        self._ids = ids
        self._now_ms = now_ms

    async def create(
        self, actor: Actor, body: CreateSession, request: RequestKey | None = None
    ) -> Session:
        model = await self._participant(actor.tenant_id, body.model)
        now = self._now_ms()
        room = self._rooms.new_room(actor, "session", body.title or "", "", True)
        session = Session(
            id=room.id, tenant_id=actor.tenant_id, owner=actor.id, participant_id=model.id,
            model=body.model, title=body.title, system_prompt=body.system_prompt,
            metadata=body.metadata, status="active", handling="ai", message_count=0,
            created_ms=now, updated_ms=now, busy=body.busy,
        )  # fmt: skip
        members = [
            Member(actor.author, "owner", "mention", now),
            Member(model, "member", "always", now, driven=True),
        ]
        written = await self._store.sessions.create(session, room, members, request)
        self._publisher.put(written.entries)
        return await self.read(actor, written.earlier or session.id)

    async def _participant(self, tenant_id: str, model: str) -> Author:
        """Who answers: the persona of a model, or an AI participant named by its id."""
        if await self._knows_model(tenant_id, model):
            return await self._model_participant(tenant_id, model)
        if participant_type(model) not in (None, "user"):
            found = await self._store.participants.get(tenant_id, model)
            if found is not None and found.driver is not None and found.disabled_ms is None:
                return found.author()
        raise invalid("model", f"there is no model {model}; see GET /v1/models")

    async def _model_participant(self, tenant_id: str, slug: str) -> Author:
        participant_id = model_participant_id(slug)
        found = await self._store.participants.get(tenant_id, participant_id)
        if found is None:
            found = Participant(
                tenant_id, participant_id, "persona", participant_id.removeprefix("persona_")[:64],
                slug, {"kind": "model", "model": slug}, self._now_ms(),
            )  # fmt: skip
            with contextlib.suppress(Conflict):  # somebody made it at the same moment
                await self._store.participants.create(found, None)
        return found.author()

    async def read(self, actor: Actor, session_id: str) -> Session:
        """The caller's own session, or any of the tenant for its admins."""
        session = await self._store.sessions.get(actor.tenant_id, session_id)
        if session is None or (session.owner != actor.id and not actor.is_admin):
            raise missing("session")
        return session

    async def writable(self, actor: Actor, session_id: str) -> Session:
        """A session in which the caller may write: its user, or the person who has it. Whether it
        takes messages is decided where they are stored, but for one that became a room."""
        session = await self.read(actor, session_id)
        if actor.id not in (session.owner, session.handler):
            raise Denied("only the session's user writes in it, or who has taken it over")
        if session.promoted:
            raise session_closed(session.room_id)
        return session

    async def whole(self, actor: Actor, session_id: str) -> tuple[Session, int]:
        """The session, and the seq up to which it reaches now."""
        session = await self.read(actor, session_id)
        head = (await self._store.log.heads([session.room_id])).get(session.room_id)
        if head is None:
            raise missing("session")
        return session, head.head

    async def messages(
        self,
        actor: Actor,
        session_id: str,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
    ) -> tuple[Session, list[Message]]:
        """The session and a page of its messages, in order."""
        session = await self.read(actor, session_id)
        return session, await self._messages_of(session, limit=limit, before=before, after=after)

    async def _messages_of(
        self, session: Session, *, limit: int, before: int | None = None, after: int | None = None
    ) -> list[Message]:
        """What was said, without what was replaced; of one that became a room, up to then."""
        if session.promoted:
            over = session.promoted["head"] + 1
            before = over if before is None else min(before, over)
        return await self._store.messages.page(
            session.room_id, limit=limit, before=before, after=after, deleted=False
        )

    async def page(
        self,
        actor: Actor,
        *,
        whole_tenant: bool,
        status: str | None,
        page: Page,
        asked: Asked = ANY_METADATA,
    ) -> list[Session]:
        """Newest first; with `whole_tenant` everybody's, for admins."""
        if whole_tenant and not actor.is_admin:
            raise Denied("scope=tenant is for a tenant_admin")
        owner = None if whole_tenant else actor.id
        return await self._store.sessions.page(actor.tenant_id, owner, status, page, asked)

    async def queue(
        self, actor: Actor, page: Page, *, whole_tenant: bool, asked: Asked = ANY_METADATA
    ) -> list[Session]:
        """Who waits for a person, the longest wait first: all of the tenant for its admins, else
        the caller's own."""
        if whole_tenant and not actor.is_admin:
            raise Denied("scope=tenant is for a tenant_admin")
        owner = None if actor.is_admin else actor.id
        return await self._store.sessions.waiting(actor.tenant_id, owner, page, asked)

    async def taken(self, actor: Actor, page: Page, asked: Asked = ANY_METADATA) -> list[Session]:
        """Those that the caller has taken over, the newest first."""
        return await self._store.sessions.taken(actor.tenant_id, actor.id, page, asked)

    async def post(
        self, actor: Actor, session: Session, body: SendMessage, key: RequestKey | None
    ) -> Posted:
        """Append a message to a `writable` session; its model is asked to answer."""
        message = PostMessage(content=body.content)
        return await self._messages.post(
            actor, session.id, message, key=key, params=body.sampling()
        )

    async def change(self, actor: Actor, session_id: str, body: ChangeSession) -> Session:
        session = await self.read(actor, session_id)
        changes = given(body, nullable=("title", "system_prompt"))
        if not changes:
            return session
        audit = self.audit(actor, "session.changed", session_id, {"fields": sorted(changes)})
        return self.changed(
            await self._store.sessions.update(actor.tenant_id, session_id, changes, audit)
        )

    async def entitle(self, tenant_id: str, session_id: str, title: str) -> None:
        """Give a title to a session that has none."""
        at_ms = self._now_ms()
        changed = await self._store.sessions.entitle(tenant_id, session_id, title, at_ms)
        if changed is not None:
            self.changed(changed)

    async def delete(self, actor: Actor, session_id: str, *, hard: bool) -> Session:
        """Mark the session deleted; with `hard` remove it for good, for admins."""
        if hard and not actor.is_admin:
            raise Denied("hard deletion is for a tenant_admin")
        if hard:
            session = await self._store.sessions.get(actor.tenant_id, session_id, deleted=True)
            if session is None:
                raise missing("session")
        else:
            session = await self.read(actor, session_id)
        action = "session.erased" if hard else "session.deleted"
        audit = self.audit(actor, action, session_id, {"owner": session.owner})
        if hard:
            await self._store.sessions.erase(actor.tenant_id, session_id, audit)
            return session
        deleted = self.changed(
            await self._store.sessions.delete(actor.tenant_id, session_id, audit)
        )
        await self._stop(actor, session_id)
        return deleted

    async def _stop(self, actor: Actor, session_id: str) -> None:
        """Nobody reads what is still being written: it is not paid for."""
        for run in await self._store.runs.open_in(session_id):
            asked = await self._store.runs.cancel(actor.tenant_id, run.id, actor.id, self._now_ms())
            for each in asked:
                self._publisher.put(each.entries, each.woken, each.cut)

    def changed(self, change: Changed | None) -> Session:
        """Hand on what a change left behind; SESSION_NOT_FOUND when there was nothing to change."""
        if change is None:
            raise missing("session")
        self._publisher.put(change.entries, change.woken, change.cut)
        return change.session

    def audit(self, actor: Actor, action: str, session_id: str, detail: Json) -> AuditEntry:
        return AuditEntry(
            self._ids.make("audit"), actor, action, session_id, self._now_ms(), detail
        )
