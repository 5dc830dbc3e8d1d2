"""Human takeover of sessions: asked for, taken, handed back; the queue as admins see it live."""

from __future__ import annotations

from typing import Final

from hub.core.errors import Denied, Unavailable
from hub.core.values import Actor, Member, Session
from hub.ports import Bus, Clock, Drafts, Store
from hub.service.publisher import Publisher
from hub.service.sessions import Sessions
from hub.wire.events import ephemeral_frame
from hub.wire.packets import Packet, own_channel
from hub.wire.requests import Escalate, HandBack

QUEUE: Final = "queue"


class Handling:
    """Use cases of people who answer in a model's place."""

    def __init__(
        self, store: Store, bus: Bus, publisher: Publisher, sessions: Sessions, now_ms: Clock
    ) -> None:
        self._store = store
        self._bus = bus
        self._publisher = publisher
        self._sessions = sessions
        self._now_ms = now_ms

    async def escalate(self, actor: Actor, session_id: str, body: Escalate) -> Session:
        """Ask for a person; the model answers until one takes over."""
        await self._sessions.writable(actor, session_id)
        audit = self._sessions.audit(actor, "session.escalated", session_id, {})
        changed = await self._store.sessions.escalate(
            actor.tenant_id, session_id, body.message, audit
        )
        session = self._sessions.changed(changed)
        await self.announce(session)
        return session

    async def take_over(self, actor: Actor, session_id: str) -> Session:
        """Answer instead of the model from now on; SESSION_TAKEN names who has it."""
        await self._for_agents(actor, session_id)
        agent = Member(actor.author, "member", "mention", self._now_ms())
        audit = self._sessions.audit(actor, "session.taken_over", session_id, {})
        changed = await self._store.sessions.take_over(
            actor.tenant_id, session_id, agent, await self._drafts(session_id), audit
        )
        session = self._sessions.changed(changed)
        await self.announce(session)
        return session

    async def hand_back(self, actor: Actor, session_id: str, body: HandBack) -> Session:
        """Let the model answer again; it is told who answered meanwhile, and the note."""
        await self._for_agents(actor, session_id)
        audit = self._sessions.audit(actor, "session.handed_back", session_id, {})
        changed = await self._store.sessions.hand_back(
            actor.tenant_id, session_id, body.note, audit
        )
        session = self._sessions.changed(changed)
        await self.announce(session)
        return session

    async def announce_escalation(self, tenant_id: str, session_id: str) -> None:
        """The session's own participant asked for a person, and that is stored."""
        session = await self._store.sessions.get(tenant_id, session_id)
        if session is not None:
            await self.announce(session)

    async def announce(self, session: Session) -> None:
        """Tell the tenant's admins, on their own channels, whether a session waits for a person.
        Nothing is lost when they do not hear it: the list is in the database."""
        data = {"waiting": session.waiting_ms is not None, "session": session.as_dict()}
        now = self._now_ms()
        packet = Packet(0, 1, ephemeral_frame(QUEUE, session.id, now, data))
        admins = await self._store.keys.admins(session.tenant_id, now)
        self._publisher.tell([(own_channel(session.tenant_id, each), packet) for each in admins])

    async def _for_agents(self, actor: Actor, session_id: str) -> None:
        await self._sessions.read(actor, session_id)
        if not actor.is_admin:
            raise Denied("taking a session over is for a tenant_admin")

    async def _drafts(self, session_id: str) -> Drafts:
        """What is being written; without Redis the text so far is lost, the model silent still."""
        runs = await self._store.runs.open_in(session_id)
        try:
            found = await self._bus.drafts(session_id, [run.id for run in runs])
        except Unavailable:
            return {}
        return {draft.run_id: (draft.attempt, draft.text) for draft in found}
