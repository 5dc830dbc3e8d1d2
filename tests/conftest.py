"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hub import HubProcess, run_hub


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """One started hub for the tests that only talk to it; its data is shared, so name rooms and
    participants of your own."""
    with run_hub(tmp_path_factory.mktemp("hub")) as started:
        yield started
