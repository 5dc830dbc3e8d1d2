"""Runs as people see them: read, cancelled, tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final

from hub.core import permissions
from hub.core.errors import Conflict, Denied, Missing, missing
from hub.core.ids import IdMaker, is_ai
from hub.core.posts import RequestKey
from hub.core.runs import ENDED
from hub.core.values import Actor, RoomView, Run
from hub.ports import Clock, Ended, Store
from hub.service.calling import held_back
from hub.service.publisher import Publisher
from hub.service.views import RoomViews

AGAIN: Final = frozenset({"failed", "cancelled", "silent", "suppressed"})


class Runs:
    """Use cases on runs."""

    def __init__(
        self, store: Store, views: RoomViews, publisher: Publisher, ids: IdMaker, now_ms: Clock
    ) -> None:
        self._store = store
        self._views = views
        self._publisher = publisher
        self._ids = ids
        self._now_ms = now_ms

    async def read(self, actor: Actor, run_id: str) -> Run:
        return (await self._seen(actor, run_id))[0]

    async def cancel(self, actor: Actor, run_id: str) -> Run:
        """Ask for the end of a run, and of those its reply called. One that nobody works on has
        ended when this returns; one that is being written ends within moments, with what there is
        of its text. A run that has ended stays as it is."""
        run, view = await self._seen(actor, run_id)
        self._may_act(actor, view)
        ended = await self._store.runs.cancel(actor.tenant_id, run_id, actor.id, self._now_ms())
        self.publish(ended)
        return await self._again_read(actor, run)

    async def retry(self, actor: Actor, run_id: str, key: RequestKey | None = None) -> Run:
        """Open the next generation of a run that did not succeed."""
        run, view = await self._seen(actor, run_id)
        self._may_act(actor, view)
        return await self.once(key, lambda: self._retry(actor, run, view, key))

    async def once(self, key: RequestKey | None, open_next: Callable[[], Awaitable[Run]]) -> Run:
        """What `open_next` opens; of a request that came before, what it has opened then, though
        what that did since may stand against doing it now."""
        try:
            return await open_next()
        except Conflict:
            if key is None or (earlier := await self._store.runs.made_by(key)) is None:
                raise
            return earlier

    async def _retry(self, actor: Actor, run: Run, view: RoomView, key: RequestKey | None) -> Run:
        if run.state not in ENDED:
            raise Conflict(f"the run is {run.state}; cancel it first", code="RUN_STATE")
        if run.state not in AGAIN or (run.state == "suppressed" and is_ai(actor.id)):
            raise Conflict(f"a run that {run.state} is not tried again", code="RUN_STATE")
        if why := held_back(view, view.members.get(run.participant_id)):
            raise Conflict(f"it is not tried again: {why}", code="RUN_STATE")
        new = self.next_generation(actor, run)
        opened = await self._store.runs.again(actor.tenant_id, run.id, new, key)
        if opened is None:
            raise Conflict("the run was tried again already", code="RUN_STATE")
        self.publish([opened])
        return opened.run

    def next_generation(self, actor: Actor, run: Run) -> Run:
        """The run that would do the work of this one again."""
        return replace(
            run, id=self._ids.make("run"), generation=run.generation + 1, state="queued",
            reason=None, attempt=0, reply_message_id=self._ids.make("msg"),
            created_ms=self._now_ms(), started_ms=None, first_delta_ms=None, finished_ms=None,
            usage=None, context=None, error=None, caller_id=actor.id, awaits=None, memory={},
            answer_id=None, cancelled_by=None,
        )  # fmt: skip

    def publish(self, ended: Iterable[Ended]) -> None:
        """Hand on what runs that ended or moved have left in the log."""
        for each in ended:
            self._publisher.put(each.entries, each.woken, each.cut)

    async def _seen(self, actor: Actor, run_id: str) -> tuple[Run, RoomView]:
        run = await self._store.runs.get(actor.tenant_id, run_id)
        if run is None:
            raise missing("run")
        try:
            return run, await self._views.fresh(actor, run.room_id)
        except Missing:
            raise missing("run") from None

    async def _again_read(self, actor: Actor, run: Run) -> Run:
        return await self._store.runs.get(actor.tenant_id, run.id) or run

    def _may_act(self, actor: Actor, view: RoomView) -> None:
        if not (actor.is_admin or permissions.may_post(view.members.get(actor.id))):
            raise Denied("only members of the room who may post do this")
