"""Waiting for `due` to name only runs that can be claimed."""

from __future__ import annotations

from hub.core.values import Run
from hub.store.store import SqlStore
from tests.support.parts import ELIZA, Posts, add_room, add_session

from .test_runs import LONG_MS


async def test_a_lane_that_waits_hides_no_run_of_another(store: SqlStore) -> None:
    """A session with many questions behind a slow one must not fill the sweep."""
    await add_session(store)
    await add_room(store)
    posts = Posts(store)
    lane: list[Run] = []
    for _ in range(20):
        lane.extend((await posts.send("sess_1", calls=(ELIZA,))).runs)
    assert await store.runs.claim(lane[0].id, "w", LONG_MS) is not None
    forgotten = (await posts.send("room_1", calls=(ELIZA,))).runs[0]
    assert await store.runs.due(0, 10) == [forgotten.id]
