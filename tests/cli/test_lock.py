"""`hub.cli.lock`: a data directory belongs to one hub at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.cli.lock import Locked, hold_lock, running_address


def test_a_data_directory_is_held_by_one_hub(tmp_path: Path) -> None:
    assert running_address(tmp_path) is None
    with hold_lock(tmp_path) as lock:
        lock.tell("http://127.0.0.1:1")
        assert "http://127.0.0.1:1" == running_address(tmp_path)
        with pytest.raises(Locked) as refused, hold_lock(tmp_path):
            pass
        assert "http://127.0.0.1:1" == refused.value.address
    with hold_lock(tmp_path):
        assert running_address(tmp_path) is None
