"""How far one has read, and what is beyond it."""

from __future__ import annotations

from collections.abc import Sequence

from hub.core.errors import Denied, invalid, missing
from hub.core.touches import Unread
from hub.core.values import Actor, Json
from hub.ports import Store
from hub.service.notices import Notices
from hub.service.views import RoomViews


class Reading:
    """Use cases on read cursors; one's other connections are told."""

    def __init__(self, store: Store, views: RoomViews, notices: Notices) -> None:
        self._store = store
        self._views = views
        self._notices = notices

    async def mark(
        self, actor: Actor, room_id: str, seq: int, thread_id: str | None = None
    ) -> Json:
        """Everything up to `seq` is read, of the room or of one thread; never less than before."""
        view = await self._views.fresh(actor, room_id)
        if actor.id not in view.members:
            raise Denied("only members of the room keep their place in it")
        if seq > view.room.head:
            raise invalid("seq", f"must be at most {view.room.head}, the room's head")
        if thread_id is not None:
            root = await self._store.messages.get(actor.tenant_id, room_id, thread_id)
            if root is None:
                raise missing("message")
            thread_id = root.thread_id or root.id
        moved = await self._store.reading.mark(actor.tenant_id, actor.id, room_id, thread_id, seq)
        now = (await self.unread(actor, [room_id]))[room_id]
        data = {"room_id": room_id, "thread_id": thread_id, "seq": seq, **shown(now)}
        if moved:
            self._notices.tell(actor.tenant_id, [actor.id], "read", room_id, data)
        return data

    async def unread(self, actor: Actor, room_ids: Sequence[str]) -> dict[str, Unread]:
        """What the caller has not read of these rooms; those it is no member of are left out."""
        return await self._store.reading.unread(actor.tenant_id, actor.id, room_ids)


def shown(unread: Unread | None) -> Json:
    """As it stands beside a room."""
    if unread is None:
        return {"read_seq": None, "unread": 0, "mentions": 0}
    return {"read_seq": unread.seq, "unread": unread.unread, "mentions": unread.mentions}
