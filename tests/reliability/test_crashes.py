"""Workers die with a reply in hand and Redis forgets: one final reply a mention, all whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.models.server import run_model_server
from tests.reliability.crashes import good
from tests.reliability.crashing import Outcome, Shape, crash, settings
from tests.support.cluster import run_cluster


@pytest.mark.slow
async def test_a_mention_has_one_whole_reply_whatever_happens_to_its_worker(
    tmp_path: Path,
) -> None:
    shape = Shape(4, "before the final commit", 0.15, rooms=2, flush_every_s=0.3)
    with run_model_server() as upstream:
        with run_cluster(tmp_path, 1, env=settings(upstream, tmp_path)) as cluster:
            outcome = await crash(cluster, upstream, shape)
    assert {1: 4} == outcome.finals
    assert {"succeeded": 4} == outcome.states
    assert 4 == outcome.whole
    assert outcome.deaths.total() + outcome.flushes > 0


@pytest.mark.parametrize(
    ("finals", "whole", "kept"),
    [({1: 100}, 95, True), ({1: 100}, 94, False), ({1: 99, 2: 1}, 100, False),
     ({0: 1, 1: 99}, 99, False)],
)  # fmt: skip
def test_a_promise_that_is_broken_is_seen(finals: dict[int, int], whole: int, kept: bool) -> None:
    states = Counter({"succeeded": 100})
    assert kept == good(Outcome(finals=Counter(finals), states=states, whole=whole))
