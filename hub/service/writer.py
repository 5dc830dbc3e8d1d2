"""Group commit: whoever posts while a transaction runs goes into the next one together.

A post is answered when its transaction is committed, before anything is published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from hub.core.errors import HubError, Limited, Unavailable
from hub.core.posts import Deferred, LogRow, NewPost, Outcome, Posted, Verdict
from hub.ports import PostStore
from hub.service.publisher import Publisher

BATCH_POSTS: Final = 500
WAITING_POSTS: Final = 20_000
DEFERRALS: Final = 3
Done = Callable[[Outcome], None]
log = structlog.get_logger("hub.writer")


@dataclass(slots=True)
class _Waiting:
    """A post on its way, and how often its room was held by somebody else."""

    post: NewPost
    done: Done
    deferrals: int = 0


class Writer:
    """The one door through which posts reach the database."""

    def __init__(self, store: PostStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._waiting: list[_Waiting] = []
        self._aside: dict[str, list[_Waiting]] = {}
        self._wake = asyncio.Event()
        self._closed = False

    def submit(self, post: NewPost, done: Done) -> None:
        """Queue a post; `done` is called once, with its outcome. Raises Limited when full."""
        if self._closed:
            raise Unavailable("the hub is stopping; send it again", retry_after=1)
        if len(self._waiting) >= WAITING_POSTS:
            raise Limited("too many posts are waiting to be stored", retry_after=1)
        self._waiting.append(_Waiting(post, done))
        self._wake.set()

    async def post(self, post: NewPost) -> Posted:
        """Store one post. Raises what refused it, or StaleAccess."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        self.submit(post, done)
        outcome = await future
        if isinstance(outcome, Posted):
            return outcome
        raise outcome

    async def run(self) -> None:
        """Commit until closed and empty."""
        async with asyncio.TaskGroup() as group:
            while not self._closed or self._waiting or self._aside:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    batch = self._next_batch()
                    if batch:
                        self._retry(await self._commit(batch, wait=False), group)

    def close(self) -> None:
        """Refuse new posts; `run` ends when those that wait are stored."""
        self._closed = True
        self._wake.set()

    def _next_batch(self) -> list[_Waiting]:
        """The oldest posts, those to rooms that are being waited for put aside."""
        batch = self._waiting[:BATCH_POSTS]
        del self._waiting[:BATCH_POSTS]
        if not self._aside:
            return batch
        for each in batch:
            if each.post.room_id in self._aside:
                self._aside[each.post.room_id].append(each)
        return [each for each in batch if each.post.room_id not in self._aside]

    def _retry(self, deferred: list[_Waiting], group: asyncio.TaskGroup) -> None:
        """Posts whose room was held go first into the next batch; a room that is held again and
        again is waited for on its own, so that it holds up no other."""
        again: list[_Waiting] = []
        patient: dict[str, list[_Waiting]] = {}
        for each in deferred:
            each.deferrals += 1
            room_id = each.post.room_id
            if each.deferrals > DEFERRALS or room_id in patient:
                patient.setdefault(room_id, []).append(each)
            else:
                again.append(each)
        self._waiting[:0] = again
        for room_id, posts in patient.items():
            self._aside[room_id] = []
            group.create_task(self._wait_for_room(room_id, posts))

    async def _wait_for_room(self, room_id: str, posts: list[_Waiting]) -> None:
        await self._commit(posts, wait=True)
        self._waiting[:0] = self._aside.pop(room_id)
        self._wake.set()

    async def _commit(self, batch: Sequence[_Waiting], *, wait: bool) -> list[_Waiting]:
        """Store, answer, publish; returns the posts whose room was held."""
        outcomes = await self._outcomes([each.post for each in batch], wait)
        deferred: list[_Waiting] = []
        rows: list[LogRow] = []
        runs: list[str] = []
        for each, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Deferred):
                deferred.append(each)
                continue
            each.done(outcome)
            if isinstance(outcome, Posted):
                rows.extend(outcome.rows)
                if outcome.runs and not outcome.replayed:
                    runs.extend(run.id for run in outcome.runs if run.state == "queued")
        if rows:
            self._publisher.put(rows, runs)
        return deferred

    async def _outcomes(self, posts: list[NewPost], wait: bool) -> Sequence[Verdict]:
        try:
            return await self._store.commit(posts, wait=wait)
        except HubError as error:
            if error.code == "OUTCOME_UNKNOWN":
                self._publisher.lost({post.room_id for post in posts})
            return [error] * len(posts)
        except Exception:
            log.exception("a batch of posts failed", posts=len(posts))
            return [HubError("the message could not be stored; it was not")] * len(posts)
