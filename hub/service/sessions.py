"""Sessions: one user, one model, history kept; each is a room of kind `session`."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable

from hub.core.errors import Conflict, Denied, invalid, missing
from hub.core.ids import IdMaker
from hub.core.posts import Posted, RequestKey
from hub.core.values import Actor, Author, Json, Member, Message, Participant, Session
from hub.ports import AuditEntry, Clock, Page, Store
from hub.service.messages import Messages
from hub.service.publisher import Publisher
from hub.service.rooms import Rooms
from hub.wire.requests import ChangeSession, CreateSession, PostMessage, SendMessage, given

_PAGE = 500


def model_participant_id(slug: str) -> str:
    """The persona that stands for a model in sessions; one per slug, whatever its characters."""
    readable = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")[:40]
    return f"persona_model-{readable}-{hashlib.sha256(slug.encode()).hexdigest()[:8]}"


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
        if not await self._knows_model(actor.tenant_id, body.model):
            raise invalid("model", f"there is no model {body.model}; see GET /v1/models")
        model = await self._model_participant(actor.tenant_id, body.model)
        now = self._now_ms()
        room = self._rooms.new_room(actor, "session", body.title or "", "", True)
        session = Session(
            id=room.id, tenant_id=actor.tenant_id, owner=actor.id, participant_id=model.id,
            model=body.model, title=body.title, system_prompt=body.system_prompt,
            metadata=body.metadata, status="active", handling="ai", message_count=0,
            created_ms=now, updated_ms=now,
        )  # fmt: skip
        members = [
            Member(actor.author, "owner", "mention", now),
            Member(model, "member", "always", now, driven=True),
        ]
        written = await self._store.sessions.create(session, room, members, request)
        self._publisher.put(written.entries)
        return await self.read(actor, written.earlier or session.id)

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

    async def history(
        self, actor: Actor, session_id: str, *, limit: int | None = None, before: int | None = None
    ) -> tuple[Session, list[Message]]:
        """The session and its messages in order: all of them unless paged."""
        session = await self.read(actor, session_id)
        store = self._store.messages
        if limit is not None or before is not None:
            return session, await store.page(session_id, limit=limit or 50, before=before)
        found: list[Message] = []
        while True:
            after = found[-1].seq if found else 0
            page = await store.page(session_id, limit=_PAGE, after=after)
            found += page
            if len(page) < _PAGE:
                return session, found

    async def page(
        self, actor: Actor, *, whole_tenant: bool, status: str | None, page: Page
    ) -> list[Session]:
        """Newest first; with `whole_tenant` everybody's, for admins."""
        if whole_tenant and not actor.is_admin:
            raise Denied("scope=tenant is for a tenant_admin")
        owner = None if whole_tenant else actor.id
        return await self._store.sessions.page(actor.tenant_id, owner, status, page)

    async def send(
        self, actor: Actor, session_id: str, body: SendMessage, key: RequestKey | None
    ) -> tuple[Session, Posted]:
        """Append the user's message and ask the model to answer it."""
        session = await self.read(actor, session_id)
        if session.owner != actor.id:
            raise Denied("only the session's user writes in it")
        message = PostMessage(content=body.content)
        posted = await self._messages.post(
            actor, session_id, message, key=key, params=_sampling(body)
        )
        return session, posted

    async def change(self, actor: Actor, session_id: str, body: ChangeSession) -> Session:
        session = await self.read(actor, session_id)
        changes = given(body)
        for name in ("metadata", "status"):
            if name in changes and changes[name] is None:
                raise invalid(name, "must not be null")
        if not changes:
            return session
        audit = self._audit(actor, "session.changed", session_id, {"fields": sorted(changes)})
        changes["updated_ms"] = self._now_ms()
        changed = await self._store.sessions.update(actor.tenant_id, session_id, changes, audit)
        if changed is None:
            raise missing("session")
        return changed

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
        audit = self._audit(actor, action, session_id, {"owner": session.owner})
        if hard:
            await self._store.sessions.erase(actor.tenant_id, session_id, audit)
            return session
        gone = await self._store.sessions.delete(actor.tenant_id, session_id, self._now_ms(), audit)
        if gone is None:
            raise missing("session")
        deleted, written = gone
        self._publisher.put(written.entries)
        return deleted

    def _audit(self, actor: Actor, action: str, session_id: str, detail: Json) -> AuditEntry:
        return AuditEntry(
            self._ids.make("audit"), actor, action, session_id, self._now_ms(), detail
        )


def _sampling(body: SendMessage) -> Json:
    return body.model_dump(
        include={"max_tokens", "temperature", "top_p", "stop"}, exclude_none=True
    )
