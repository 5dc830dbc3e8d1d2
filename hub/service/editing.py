"""Changing messages that are stored: edits, deletions, reactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from hub.core import permissions
from hub.core.errors import Denied, Missing, Unavailable, missing
from hub.core.ids import IdMaker
from hub.core.posts import StaleAccess
from hub.core.touches import Touch
from hub.core.values import Actor, Member, Message, RoomView
from hub.ports import AuditEntry, Clock, Store, Written
from hub.service.publisher import Publisher
from hub.service.views import RoomViews

TRIES: Final = 5
Work = Callable[[Touch], Awaitable[Written]]
May = Callable[[Actor, Member | None, Message], str | None]


class Editing:
    """Use cases on stored messages. Each returns the seq of the log's entry, None when nothing
    changed. `room_id` is None where the message alone is named."""

    def __init__(
        self, store: Store, views: RoomViews, publisher: Publisher, ids: IdMaker, now_ms: Clock
    ) -> None:
        self._ids = ids
        self._store = store
        self._views = views
        self._publisher = publisher
        self._now_ms = now_ms

    async def edit(
        self, actor: Actor, room_id: str | None, message_id: str, content: str
    ) -> int | None:
        """Give one's own message another text. Its mentions stay, and nobody is asked again."""
        store = self._store.messages
        return await self._change(
            actor, room_id, message_id, _edits, lambda touch: store.edit(touch, content)
        )

    async def delete(self, actor: Actor, room_id: str | None, message_id: str) -> int | None:
        """Erase the text of one's own message, or, as an owner or admin of the room, anybody's:
        the audit log says so."""
        return await self._change(
            actor, room_id, message_id, _deletes, lambda touch: self._erase(actor, touch)
        )

    async def _erase(self, actor: Actor, touch: Touch) -> Written:
        store = self._store.messages
        message = await store.get(touch.tenant_id, touch.room_id, touch.message_id)
        if message is None or message.author.id == actor.id:
            return await store.delete(touch)
        about = {"room_id": touch.room_id, "author_id": message.author.id}
        audit = AuditEntry(
            self._ids.make("audit"), actor, "message.deleted", touch.message_id, touch.at_ms, about
        )
        return await store.delete(touch, audit)

    async def react(
        self, actor: Actor, room_id: str | None, message_id: str, emoji: str, *, present: bool
    ) -> int | None:
        """Add or take back one's own reaction."""
        store = self._store.messages
        return await self._change(
            actor, room_id, message_id, _reacts,
            lambda touch: store.react(touch, emoji, present=present),
        )  # fmt: skip

    async def _change(
        self, actor: Actor, room_id: str | None, message_id: str, may: May, work: Work
    ) -> int | None:
        for _ in range(TRIES):
            view, message = await self._found(actor, room_id, message_id)
            if reason := may(actor, view.members.get(actor.id), message):
                raise Denied(reason)
            touch = Touch(
                actor.tenant_id, view.room.id, view.room.acl_version, message_id, actor.id,
                self._now_ms(),
            )  # fmt: skip
            try:
                written = await work(touch)
            except StaleAccess:
                continue
            self._publisher.put(written.entries)
            return written.entries[-1][0].seq if written.entries else None
        raise Unavailable("the room's members keep changing; try again", retry_after=1)

    async def _found(
        self, actor: Actor, room_id: str | None, message_id: str
    ) -> tuple[RoomView, Message]:
        """A message of a room that may not be read is one that is not there."""
        view = await self._views.fresh(actor, room_id) if room_id is not None else None
        message = await self._store.messages.get(actor.tenant_id, room_id, message_id)
        if message is None:
            raise missing("message")
        if view is None:
            try:
                view = await self._views.fresh(actor, message.room_id)
            except Missing:
                raise missing("message") from None
        return view, message


def _edits(actor: Actor, member: Member | None, message: Message) -> str | None:
    if message.author.id != actor.id or not permissions.may_post(member):
        return "only its author edits a message, as a member who may post"
    return None


def _deletes(actor: Actor, member: Member | None, message: Message) -> str | None:
    own = message.author.id == actor.id and member is not None
    if not own and not permissions.may_manage(member):
        return "only its author, or an owner or admin of the room, deletes a message"
    return None


def _reacts(actor: Actor, member: Member | None, message: Message) -> str | None:
    if not permissions.may_post(member):
        return "only members of the room react, and observers do not"
    return None
