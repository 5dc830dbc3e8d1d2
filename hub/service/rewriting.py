"""Replies of sessions asked for again: stopped, regenerated, or to a message said anew."""

from __future__ import annotations

from dataclasses import replace

from hub.core.errors import Missing, missing
from hub.core.ids import IdMaker
from hub.core.posts import RequestKey, session_busy, session_closed, session_taken
from hub.core.values import Actor, Json, Message, Run, Session
from hub.ports import Clock, Edit, Page, Store
from hub.service.publisher import Publisher
from hub.service.runs import Runs
from hub.service.sessions import Sessions


class Rewriting:
    """Use cases on the last exchange of a session."""

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        runs: Runs,
        publisher: Publisher,
        ids: IdMaker,
        now_ms: Clock,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._runs = runs
        self._publisher = publisher
        self._ids = ids
        self._now_ms = now_ms

    async def cancel(self, actor: Actor, session_id: str) -> list[Run]:
        """Ask for the end of what is being written, and of what waits behind it. Returns the runs
        as they were; those that are written end within moments, with what there is."""
        await self._sessions.read(actor, session_id)
        found = await self._store.runs.open_in(session_id)
        for run in reversed(found):  # who waits goes first, and is not begun meanwhile
            ended = await self._store.runs.cancel(actor.tenant_id, run.id, actor.id, self._now_ms())
            self._runs.publish(ended)
        return found

    async def regenerate(
        self, actor: Actor, session_id: str, sampling: Json, key: RequestKey | None = None
    ) -> tuple[Session, Message, Run]:
        """Answer the last message again; the new reply takes the place of the one before."""
        session = await self._sessions.writable(actor, session_id)
        run = await self._runs.once(key, lambda: self._open_next(actor, session, sampling, key))
        asked = await self._store.messages.get(
            session.tenant_id, session_id, run.trigger_message_id
        )
        if asked is None:
            raise missing("message")
        return session, asked, run

    async def _open_next(
        self, actor: Actor, session: Session, sampling: Json, key: RequestKey | None
    ) -> Run:
        if session.status == "closed":
            raise session_closed()
        last = await self._last_run(session)
        if session.handler is not None:
            raise session_taken(session.handler)
        if last is None:
            raise Missing("there is nothing to answer yet; send a message", code="RUN_NOT_FOUND")
        new = self._next(actor, last, sampling)
        opened = await self._store.runs.again(session.tenant_id, last.id, new, key)
        if opened is None:
            raise session_busy()
        self._runs.publish([opened])
        return opened.run

    async def edit(
        self, actor: Actor, session_id: str, message_id: str, content: str, sampling: Json
    ) -> tuple[Session, Message, Run | None]:
        """Say the last message anew; what was answered goes, and it is answered again."""
        session = await self._sessions.writable(actor, session_id)
        known = await self._store.runs.of_message(message_id)
        if known:
            last = max(known, key=lambda run: run.generation)
            run = self._next(actor, last, sampling)
        else:
            run = self._first(actor, session, message_id, sampling)
        edit = Edit(message_id, content, run, self._now_ms())
        edited = None
        if actor.id == session.owner:
            edited = await self._store.sessions.edit_last(session.tenant_id, session_id, edit)
        if edited is None:
            raise missing("message")
        woken = [edited.run.id] if edited.run else []
        self._publisher.put(edited.entries, woken)
        return session, edited.message, edited.run

    async def _last_run(self, session: Session) -> Run | None:
        """The newest attempt to answer the last message; SESSION_BUSY while it is written."""
        if await self._store.runs.open_in(session.id):
            raise session_busy()
        found = await self._store.runs.page(session.id, Page(1))
        return found[0] if found else None

    def _next(self, actor: Actor, run: Run, sampling: Json) -> Run:
        new = self._runs.next_generation(actor, run)
        return replace(new, params=sampling or run.params)

    def _first(self, actor: Actor, session: Session, message_id: str, sampling: Json) -> Run:
        """A run for a message that none was started for, as while a person answered."""
        return Run(
            id=self._ids.make("run"), tenant_id=session.tenant_id, room_id=session.id,
            participant_id=session.participant_id, trigger_message_id=message_id, generation=0,
            thread_id=message_id, state="queued", reason=None, attempt=0, depth=1,
            root_message_id=message_id, reply_message_id=self._ids.make("msg"),
            created_ms=self._now_ms(), params=sampling, caller_id=actor.id,
        )  # fmt: skip
