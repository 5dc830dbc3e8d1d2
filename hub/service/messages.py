"""Posting and reading messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hub.core import permissions
from hub.core.errors import Denied, HubError, Unavailable, invalid, missing
from hub.core.ids import IdMaker
from hub.core.posts import (
    LogRow,
    NewPost,
    Posted,
    RequestKey,
    StaleAccess,
    session_unanswered,
)
from hub.core.values import Actor, Json, Message, RoomView, Run
from hub.ports import Clock, Store
from hub.service.calling import foreseen, speech, unanswered
from hub.service.requests import key_to
from hub.service.views import RoomViews
from hub.service.writer import Done, Writer
from hub.wire.requests import ParticipantRef

_TRIES = 5


class Said(Protocol):
    """What a post says, however it came."""

    @property
    def content(self) -> str: ...

    @property
    def mention(self) -> Sequence[ParticipantRef]: ...

    @property
    def client_id(self) -> str | None: ...


class Messages:
    """Use cases on messages."""

    def __init__(
        self, store: Store, views: RoomViews, writer: Writer, ids: IdMaker, now_ms: Clock
    ) -> None:
        self._store = store
        self._views = views
        self._writer = writer
        self._ids = ids
        self._now_ms = now_ms

    async def post(
        self,
        actor: Actor,
        room_id: str,
        body: Said,
        *,
        thread_id: str | None = None,
        key: RequestKey | None = None,
        params: Json | None = None,
    ) -> Posted:
        """Store a message; returns when it is committed. MODEL_UNAVAILABLE in a session where
        neither a model nor a person would answer, unless it was stored before."""
        view = await self._views.known(actor, room_id)
        for _ in range(_TRIES):
            try:
                new = self._prepare(actor, view, body, thread_id, key, params or {})
                if unanswered(view, actor.id, new.summons):
                    await self._check_answered(new)
            except HubError:
                fresh = await self._views.fresh(actor, room_id)
                if fresh.room.acl_version == view.room.acl_version:
                    raise
                view = fresh
                continue
            try:
                return await self._writer.post(new)
            except StaleAccess:
                view = await self._views.fresh(actor, room_id)
        raise Unavailable("the room's members keep changing; try again", retry_after=1)

    def try_submit(
        self,
        actor: Actor,
        room_id: str,
        body: Said,
        thread_id: str | None,
        done: Done,
    ) -> bool:
        """The hot path: queue a post on what is known of the room, without awaiting. False when
        it is not known, or the post would be refused: then `post` decides on fresh ground."""
        view = self._views.cached(actor, room_id)
        if view is None:
            return False
        try:
            new = self._prepare(actor, view, body, thread_id, None, {})
        except HubError:
            return False
        if unanswered(view, actor.id, new.summons):
            return False
        self._writer.submit(new, done)
        return True

    def _prepare(
        self,
        actor: Actor,
        view: RoomView,
        body: Said,
        thread_id: str | None,
        key: RequestKey | None,
        params: Json,
    ) -> NewPost:
        room = view.room
        if not permissions.may_post(view.members.get(actor.id)):
            raise Denied("only members of the room post, and observers do not")
        if key is None and body.client_id is not None:
            what = f"post/{room.id}/{thread_id or ''}"
            said_to = [{"type": ref.type, "id": ref.id} for ref in body.mention]
            asked = {"content": body.content, "mention": said_to}
            key = key_to(actor, what, body.client_id, asked)
        said = speech(
            view, actor.id, body.content, _named(view, body), thread_id is not None, params,
            self._ids.make,
        )  # fmt: skip
        return NewPost(
            room.tenant_id, room.id, room.acl_version, self._ids.make("msg"), actor.author,
            body.content, self._now_ms(), said.mention, thread_id, body.client_id, key,
            said.summons, said.calls, said.budget,
        )  # fmt: skip

    async def _check_answered(self, new: NewPost) -> None:
        session = await self._store.sessions.get(new.tenant_id, new.room_id)
        if session is None or session.status == "closed":
            return  # which is said where it would be stored
        if session.handling == "human" or session.waiting_ms is not None:
            return
        if new.key is None or await self._store.messages.made_by(new.key) is None:
            raise session_unanswered(session.model)

    async def preview(
        self, actor: Actor, room_id: str, body: Said, *, thread_id: str | None = None
    ) -> Json:
        """Who would answer a post, and why the others would not; nothing is stored."""
        view = await self._views.fresh(actor, room_id)
        new = self._prepare(actor, view, body, thread_id, None, {})
        outcome = await self._store.posts.preview(new._replace(key=None))
        if not isinstance(outcome, Posted):
            raise outcome
        return foreseen(view, actor.id, outcome.runs)

    async def get(self, actor: Actor, room_id: str, message_id: str) -> Message:
        await self._views.fresh(actor, room_id)
        message = await self._store.messages.get(actor.tenant_id, room_id, message_id)
        if message is None:
            raise missing("message")
        return message

    async def page(
        self, actor: Actor, room_id: str, *, limit: int, before: int | None, after: int | None
    ) -> list[Message]:
        await self._views.fresh(actor, room_id)
        return await self._store.messages.page(room_id, limit=limit, before=before, after=after)

    async def thread(
        self, actor: Actor, room_id: str, message_id: str, *, after: int, limit: int
    ) -> list[Message]:
        """The root first, then its replies; any message of the thread names it."""
        message = await self.get(actor, room_id, message_id)
        root_id = message.thread_id or message.id
        return await self._store.messages.thread(room_id, root_id, after, limit)

    async def log(self, actor: Actor, room_id: str, *, since: int, limit: int) -> list[LogRow]:
        await self._views.fresh(actor, room_id)
        return await self._store.log.read(room_id, since, limit)


def _named(view: RoomView, body: Said) -> Sequence[str]:
    if not body.mention:
        return ()
    for index, ref in enumerate(body.mention):
        if ref.id not in view.members:
            raise invalid(f"mention[{index}].id", f"{ref.id} is no member of this room")
    return [ref.id for ref in body.mention]


def posted_answer(posted: Posted) -> Json:
    """The answer to a post: the message, and the runs it started."""
    return posted.message.as_dict() | {"runs": [run_brief(run) for run in posted.runs]}


def run_brief(run: Run) -> Json:
    """What the answer to a post says of a run."""
    fields = run.as_dict()
    brief = {"id": fields["id"], "participant": fields["participant"], "state": fields["state"]}
    return brief | {name: fields[name] for name in ("reason", "warning") if fields[name]}
