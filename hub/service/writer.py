"""Group commit: whoever posts while a transaction runs goes into the next one together.

A post is answered when its transaction is committed, before anything is published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from hub.core.errors import HubError, Limited, Unavailable
from hub.core.posts import LogRow, NewPost, Outcome, Posted
from hub.ports import PostStore
from hub.service.publisher import Publisher

BATCH_POSTS: Final = 500
WAITING_POSTS: Final = 20_000
Done = Callable[[Outcome], None]
log = structlog.get_logger("hub.writer")


class Writer:
    """The one door through which posts reach the database."""

    def __init__(self, store: PostStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._waiting: list[tuple[NewPost, Done]] = []
        self._wake = asyncio.Event()
        self._closed = False

    def submit(self, post: NewPost, done: Done) -> None:
        """Queue a post; `done` is called once, with its outcome. Raises Limited when full."""
        if self._closed:
            raise Unavailable("the hub is stopping; send it again", retry_after=1)
        if len(self._waiting) >= WAITING_POSTS:
            raise Limited("too many posts are waiting to be stored", retry_after=1)
        self._waiting.append((post, done))
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
        while not (self._closed and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._waiting[:BATCH_POSTS]
                del self._waiting[:BATCH_POSTS]
                await self._commit(batch)

    def close(self) -> None:
        """Refuse new posts; `run` ends when those that wait are stored."""
        self._closed = True
        self._wake.set()

    async def _commit(self, batch: Sequence[tuple[NewPost, Done]]) -> None:
        try:
            outcomes = await self._store.commit([post for post, _ in batch])
        except HubError as error:
            outcomes = [error] * len(batch)
        except Exception:
            log.exception("a batch of posts failed", posts=len(batch))
            outcomes = [HubError("the message could not be stored; it was not")] * len(batch)
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            done(outcome)
        rows: list[LogRow] = []
        runs: list[str] = []
        for outcome in outcomes:
            if isinstance(outcome, Posted):
                rows.extend(outcome.rows)
                if outcome.runs and not outcome.replayed:
                    runs.extend(run.id for run in outcome.runs if run.state == "queued")
        if rows:
            self._publisher.put(rows, runs)
