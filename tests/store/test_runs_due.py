"""Waiting for `due` to name only runs that can be claimed."""

from __future__ import annotations

from hub.core.values import Run
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, ELIZA, Posts, add_room, add_session

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


async def test_a_pause_holds_what_is_queued_and_lets_what_is_begun_end(store: SqlStore) -> None:
    """Whoever would claim it by hand is refused too; a lost lease is taken over all the same."""
    await add_room(store)
    posts = Posts(store)
    begun = (await posts.send(calls=(ELIZA,))).runs[0]
    queued = (await posts.send(calls=(ELIZA,))).runs[0]
    assert await store.runs.claim(begun.id, "w", -1) is not None
    paused = {"settings": {"paused": True}}
    await store.rooms.update(ACME, "room_1", paused, ADMIN, AT_MS)
    assert [begun.id] == await store.runs.due(0, 10)
    assert await store.runs.claim(queued.id, "w", LONG_MS) is None
    assert await store.runs.claim(begun.id, "w", LONG_MS) is not None
    await store.rooms.update(ACME, "room_1", {"settings": {"paused": False}}, ADMIN, AT_MS)
    assert [queued.id] == await store.runs.due(0, 10)
    assert await store.runs.claim(queued.id, "w", LONG_MS) is not None
