"""The whole hub is killed in the middle of replies; every mention still gets exactly one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.kills import measure

KILLS = 5


@pytest.mark.slow
async def test_every_mention_ends_with_one_whole_reply_though_the_hub_is_killed_while_it_is_written(
    tmp_path: Path,
) -> None:
    outcome = await measure(tmp_path, KILLS)
    assert [] == outcome.faults()
    assert KILLS == len(outcome.runs)
