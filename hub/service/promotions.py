"""Sessions that become rooms, with new people in them."""

from __future__ import annotations

from hub.core.values import Actor, Member, Participant, Session
from hub.ports import Clock, Promotion, Store
from hub.service.rooms import Rooms
from hub.service.sessions import Sessions
from hub.wire.requests import PromoteSession


class Promotions:
    """The use case that turns one into the other."""

    def __init__(self, store: Store, sessions: Sessions, rooms: Rooms, now_ms: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._rooms = rooms
        self._now_ms = now_ms

    async def promote(
        self, actor: Actor, session_id: str, body: PromoteSession
    ) -> tuple[str, bool]:
        """The id of the room, the same every time it is asked, and whether it is new."""
        session = await self._sessions.read(actor, session_id)
        if session.promoted:
            return session.room_id, False
        promotion = await self._plan(actor, session, body)
        audit = self._sessions.audit(actor, "session.promoted", session_id, {})
        changed = await self._store.sessions.promote(actor.tenant_id, session_id, promotion, audit)
        room_id = self._sessions.changed(changed).room_id
        return room_id, room_id == promotion.room.id

    async def _plan(self, actor: Actor, session: Session, body: PromoteSession) -> Promotion:
        store, tenant_id, now = self._store.participants, session.tenant_id, self._now_ms()
        known = await store.find(tenant_id, [session.owner, session.participant_id, actor.id])
        name = body.name or session.title or session.model
        room = self._rooms.new_room(actor, "room", name, "", True)
        model = known[session.participant_id]
        persona = _with_prompt(model, session, room.id, now)
        answering = persona or model
        members = {
            session.owner: Member(known[session.owner].author(), "owner", "mention", now),
            answering.id: Member(answering.author(), "member", "thread", now, driven=True),
        }
        if session.handler is not None:
            helpers = await store.find(tenant_id, [session.handler])
            helper = helpers[session.handler].author()
            members.setdefault(helper.id, Member(helper, "admin", "mention", now))
        members.setdefault(actor.id, Member(known[actor.id].author(), "admin", "mention", now))
        for invited in await self._invited(actor, session, body):
            members.setdefault(invited.author.id, invited)
        return Promotion(room, tuple(members.values()), answering.id, persona)

    async def _invited(self, actor: Actor, session: Session, body: PromoteSession) -> list[Member]:
        """New people; an unknown one is named by its place in the list."""
        listed = body.initial_members
        return await self._rooms.members(actor, listed, "initial_members", listed)


def _with_prompt(
    model: Participant, session: Session, room_id: str, now_ms: int
) -> Participant | None:
    """A persona of the session's own, when it had a system prompt: the model's own persona is
    shared by all."""
    driver = model.driver or {}
    if session.system_prompt is None or driver.get("kind") != "model":
        return None
    tail = room_id.rsplit("_", 1)[-1]
    return Participant(
        session.tenant_id, f"persona_{tail}", "persona", f"model-{tail}", model.name,
        driver | {"system_prompt": session.system_prompt}, now_ms,
    )  # fmt: skip
