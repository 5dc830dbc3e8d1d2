"""A hub's data directory, with the hub running and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import HubProcess, run_hub
from tests.support.stores import postgres

__all__ = ["postgres"]


@pytest.fixture(scope="session")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of a hub that was started once and stopped."""
    with run_hub(tmp_path_factory.mktemp("stopped")) as hub:
        hub.stop()
        yield hub.data_dir


@pytest.fixture(params=["running", "stopped"])
def data_dir(request: pytest.FixtureRequest) -> Path:
    """Both ways must give the same answers."""
    if request.param == "stopped":
        found: Path = request.getfixturevalue("stopped")
        return found
    hub: HubProcess = request.getfixturevalue("hub")
    return hub.data_dir
