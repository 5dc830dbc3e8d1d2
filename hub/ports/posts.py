"""Posts, stored in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hub.core.posts import NewPost, Verdict


class PostWriter(Protocol):
    async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
        """Store a batch in one transaction; one outcome per post, in order.

        Seqs are dense per room and follow the order of the batch. A post that is refused takes no
        seq and does not disturb the others. Posts to a room that another transaction holds come
        back Deferred, all of that room's, unless told to `wait`. OUTCOME_UNKNOWN is raised when
        the batch may or may not be stored, or is the outcome of the posts of which this is so.
        """


class PostStore(PostWriter, Protocol):
    async def preview(self, post: NewPost) -> Verdict:
        """What would come of a post now; it is not stored."""
