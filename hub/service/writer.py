"""Group commit: whoever posts while a transaction runs goes into the next one together.

A post is answered when its transaction is committed, before anything is published.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from hub.core.errors import HubError, Limited, Unavailable
from hub.core.posts import Deferred, LogRow, NewPost, Outcome, Posted, Verdict
from hub.enduring import enduring, tell
from hub.ports import LogStore, PostWriter
from hub.service.post_counts import PostCounts
from hub.service.publisher import Publisher

BATCH_POSTS: Final = 500
FEW_POSTS: Final = 64
WAITING_POSTS: Final = 20_000
WAITING_BYTES: Final = 64 * 1_048_576  # of content, in characters
DEFERRALS: Final = 3
READ_AGAIN_S: Final = 0.5
Done = Callable[[Outcome], None]
log = structlog.get_logger("hub.writer")


@dataclass(slots=True)
class _Waiting:
    """A post on its way, how often its room was held by somebody else, and whether it was told
    what came of it."""

    post: NewPost
    done: Done
    deferrals: int = 0
    answered: bool = False


class Writer:
    """The one door through which posts reach the database."""

    def __init__(self, store: PostWriter, publisher: Publisher, rooms_log: LogStore) -> None:
        self._store = store
        self._publisher = publisher
        self._rooms_log = rooms_log
        self._doubtful: set[str] = set()
        self._doubt = asyncio.Event()
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._aside: dict[str, list[_Waiting]] = {}
        self._wake = asyncio.Event()
        self._closed = False
        self.counts = PostCounts()

    def submit(self, post: NewPost, done: Done) -> None:
        """Queue a post; `done` is called once, with its outcome. Raises Limited when full."""
        if self._closed:
            raise Unavailable("the hub is stopping; send it again", retry_after=1)
        aside = sum(map(len, self._aside.values())) if self._aside else 0
        size = len(post.content)
        if len(self._waiting) + aside >= WAITING_POSTS or self._bytes + size > WAITING_BYTES:
            self.counts.outcomes["turned_away"] += 1
            raise Limited("too many posts are waiting to be stored", retry_after=1)
        self._bytes += size
        self._waiting.append(_Waiting(post, done))
        self._wake.set()

    @property
    def waiting(self) -> tuple[int, int]:
        """The posts that are not answered yet, but for those in a transaction, and the size of
        all."""
        return len(self._waiting) + sum(map(len, self._aside.values())), self._bytes

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
        """Commit until closed and empty. Cut off, it leaves every post answered or waiting, and
        goes on with those that wait when it is run again."""
        try:
            async with asyncio.TaskGroup() as group:
                checking = group.create_task(enduring(self._check_doubtful))
                await self._commit_all(group)
                checking.cancel()
        finally:
            self._put_back()

    async def _commit_all(self, group: asyncio.TaskGroup) -> None:
        while not self._closed or self._waiting or self._aside:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._next_batch()
                if batch:
                    self._retry(await self._commit(batch, wait=False), group)

    def _put_back(self) -> None:
        """Posts whose room nobody waits for any more."""
        for posts in self._aside.values():
            self._waiting[:0] = posts
        self._aside.clear()
        self._wake.set()

    def close(self) -> None:
        """Refuse new posts; `run` ends when those that wait are stored."""
        self._closed = True
        self._wake.set()

    def refuse(self) -> None:
        """Answer those that still wait, once `run` was ended: they are not stored."""
        refused = Unavailable("the hub is stopping; it is not stored, send it again", retry_after=1)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self._answer(each, refused)

    def _next_batch(self) -> list[_Waiting]:
        """The oldest posts, those to rooms that are being waited for put aside. Of more than a few
        one half goes first, to be passed on while the other is stored."""
        half = (len(self._waiting) + 1) // 2
        many = min(BATCH_POSTS, max(FEW_POSTS, half))
        batch = self._waiting[:many]
        del self._waiting[:many]
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
            self._aside[room_id] = posts
            group.create_task(self._wait_for_room(room_id))

    async def _wait_for_room(self, room_id: str) -> None:
        posts, self._aside[room_id] = self._aside[room_id], []
        try:
            await self._commit(posts, wait=True)
        finally:
            self._waiting[:0] = self._aside.pop(room_id)
            self._wake.set()

    async def _commit(self, batch: Sequence[_Waiting], *, wait: bool) -> list[_Waiting]:
        """Store, answer, publish; returns the posts whose room was held."""
        posts = [each.post for each in batch]
        number = self._publisher.unpublished.begin({post.room_id for post in posts})
        began_s = time.monotonic()
        try:
            outcomes = await self._outcomes(posts, wait)
            self.counts.committed(outcomes, began_s)
            deferred = self._conclude(batch, outcomes, number)
        except BaseException:
            self._give_up(batch, number)
            raise
        if batch[0].answered:
            self.counts.answered(posts[0])
        return deferred

    def _conclude(
        self, batch: Sequence[_Waiting], outcomes: Sequence[Verdict], number: int
    ) -> list[_Waiting]:
        deferred: list[_Waiting] = []
        rows: list[LogRow] = []
        runs: list[str] = []
        cut: list[str] = []
        unknown: set[str] = set()
        for each, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Deferred):
                deferred.append(each)
                continue
            self._answer(each, outcome)
            if isinstance(outcome, Posted):
                rows.extend(outcome.rows)
                runs.extend(outcome.woken)
                cut.extend(outcome.cut)
            elif isinstance(outcome, HubError) and outcome.code == "OUTCOME_UNKNOWN":
                unknown.add(each.post.room_id)
        if rows:
            self._publish(rows, runs, cut, number)
        else:
            self._publisher.unpublished.end([number])
        if unknown:
            self._suspect(unknown)
        return deferred

    def _give_up(self, batch: Sequence[_Waiting], number: int) -> None:
        """Of a batch that was cut off nobody knows whether it is stored."""
        unknown = Unavailable(
            "the hub was cut off while it stored this; retry with the same key",
            code="OUTCOME_UNKNOWN", retry_after=1,
        )  # fmt: skip
        self.counts.outcomes["unknown"] += sum(not each.answered for each in batch)
        for each in batch:
            self._answer(each, unknown)
        self._publisher.unpublished.end([number])
        self._suspect({each.post.room_id for each in batch})

    def _answer(self, each: _Waiting, outcome: Outcome) -> None:
        """Tell who waits for it, once; what goes wrong there is not the others' business."""
        if each.answered:
            return
        each.answered = True
        self._bytes -= len(each.post.content)
        try:
            each.done(outcome)
        except Exception:
            log.exception("the outcome of a post cannot be told", room_id=each.post.room_id)

    def _publish(self, rows: list[LogRow], runs: list[str], cut: list[str], number: int) -> None:
        """Rows that cannot be made into packets are not the next batch's business either."""
        try:
            self._publisher.put_posts(rows, runs, cut, number)
        except Exception:
            log.exception("what was stored cannot be published, gateways will repair")
            self._publisher.lost({entry.room_id for entry, _ in rows})
            self._publisher.unpublished.end([number])

    async def _outcomes(self, posts: list[NewPost], wait: bool) -> Sequence[Verdict]:
        try:
            return await self._store.commit(posts, wait=wait)
        except HubError as error:
            return [error] * len(posts)
        except Exception:
            log.exception("a batch of posts failed", posts=len(posts))
            return [HubError("the message could not be stored; it was not")] * len(posts)

    def _suspect(self, room_ids: set[str]) -> None:
        """Something of these rooms is perhaps stored that nobody was told of."""
        self._doubtful |= room_ids
        self._doubt.set()
        self._publisher.lost(room_ids)

    async def _check_doubtful(self) -> None:
        """Of a room that has perhaps grown the newest entry is published as soon as it can be
        read: whoever lacks it, or one before it, sees the gap and fills it."""
        while True:
            await self._doubt.wait()
            self._doubt.clear()
            rooms, self._doubtful = self._doubtful, set()
            try:
                self._publisher.put(await self._newest(sorted(rooms)))
            except BaseException as error:
                self._doubtful |= rooms
                self._doubt.set()
                if not isinstance(error, Exception):
                    raise
                tell(log, "rooms in doubt cannot be read now", error)
                await asyncio.sleep(READ_AGAIN_S)

    async def _newest(self, room_ids: list[str]) -> list[LogRow]:
        heads = await self._rooms_log.heads(room_ids)
        found: list[LogRow] = []
        for room_id, head in heads.items():
            found += await self._rooms_log.read(room_id, head.head - 1, 1)
        return found
