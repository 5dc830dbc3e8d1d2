"""`tests.databases`: what asks for a store runs on every database, or the run fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sessions import run_session

CONFTEST = """
import pytest
from tests.databases import DatabaseCounts

def pytest_addoption(parser):
    parser.addoption("--database")

def pytest_configure(config):
    config.pluginmanager.register(DatabaseCounts(config.getoption("--database"), both=True))

@pytest.fixture(params=["sqlite", "postgres"])
def store(request):
    return request.param

@pytest.fixture
def parts(): ...
"""
BOTH = "def test_one(store): ...\ndef test_two(store): ...\ndef test_pure(): ...\n"
HALF = BOTH + "def test_three(parts): ...\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "arguments", "status", "line"),
    [
        (BOTH, (), 0, "tests/store: 2 on SQLite, 2 on PostgreSQL\n"),
        (HALF, (), 1, "tests/store: 3 on SQLite, 2 on PostgreSQL: every test"),
        (HALF, ("-n", "2"), 1, "tests/store: 3 on SQLite, 2 on PostgreSQL: every test"),
        (HALF, ("-k", "three"), 0, "tests/store: 1 on SQLite, 0 on PostgreSQL\n"),
        (HALF, ("tests/store/test_a.py::test_three",), 0, "1 on SQLite, 0 on PostgreSQL\n"),
        (HALF, ("--database=postgres",), 0, "tests/store: 0 on SQLite, 2 on PostgreSQL\n"),
    ],
    ids=[
        "both",
        "one is missing",
        "in two processes",
        "chosen by words",
        "chosen by name",
        "one database",
    ],
)
def test_a_whole_run_counts_as_many_tests_on_one_as_on_the_other(
    tmp_path: Path, text: str, arguments: tuple[str, ...], status: int, line: str
) -> None:
    files = {"conftest.py": CONFTEST, "tests/store/test_a.py": text}
    session = run_session(tmp_path, files, *arguments)
    assert (status, True) == (session.status, line in session.output), session.output


@pytest.mark.slow
def test_what_is_about_the_file_itself_need_not_run_on_both(tmp_path: Path) -> None:
    files = {"conftest.py": CONFTEST, "tests/store/test_database.py": HALF}
    assert 0 == run_session(tmp_path, files).status
