"""Says how many tests ran on SQLite and how many on PostgreSQL, and fails a run when they differ.

Tests of the store and the services that ask for a database run on both: their parameter is named
`sqlite` or `postgres`. One without it counts as run on SQLite alone.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

PROPERTY: Final = "database"  # travels with the report, also from another process
DATABASES: Final = ("sqlite", "postgres")
FOLDERS: Final = ("store", "service")
ASKING: Final = frozenset({"store", "parts"})
# About the file itself, and what is done on it in a way of its own.
SQLITE_ALONE: Final = ("tests/store/test_database.py", "tests/store/test_plain_posts.py")


def database_of(item: pytest.Item) -> str | None:
    """The database a test runs on; None when it asks for none."""
    callspec = getattr(item, "callspec", None)
    chosen = [p for p in callspec.params.values() if p in DATABASES] if callspec else []
    if chosen:
        return str(chosen[0])
    return "sqlite" if ASKING & set(getattr(item, "fixturenames", ())) else None


class DatabaseCounts:
    """The pytest plugin. `only` runs the tests of one database alone; `both` says that PostgreSQL
    can run here."""

    def __init__(self, only: str | None, *, both: bool) -> None:
        self._only = only
        self._both = both
        self._run: Counter[tuple[str, str]] = Counter()
        self._unequal: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        if self._only is None:
            return
        other = [each for each in items if database_of(each) not in (None, self._only)]
        items[:] = [each for each in items if each not in other]
        config.hook.pytest_deselected(items=other)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            database = database_of(item)
            if database is not None and not item.nodeid.startswith(SQLITE_ALONE):
                item.user_properties.append((PROPERTY, database))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        database = dict(report.user_properties).get(PROPERTY)
        if isinstance(database, str) and report.when == "call" and not report.skipped:
            self._run[report.nodeid.split("/")[1], database] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._unequal = [f for f in FOLDERS if len({self._run[f, d] for d in DATABASES}) > 1]
        if not (self._unequal and self._both and _is_whole(session)):
            self._unequal = []
        elif session.exitstatus == pytest.ExitCode.OK and not hasattr(
            session.config, "workerinput"
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        lines = [
            f"tests/{folder}: {self._run[folder, 'sqlite']} on SQLite, "
            f"{self._run[folder, 'postgres']} on PostgreSQL"
            + (": every test of the store must run on both" if folder in self._unequal else "")
            for folder in FOLDERS
            if any(self._run[folder, database] for database in DATABASES)
        ]
        if lines:
            terminalreporter.section("databases", red=bool(self._unequal))
            terminalreporter.write("\n".join(lines) + "\n")


def _is_whole(session: pytest.Session) -> bool:
    """Whether nothing was left out of the folders and files that were asked for."""
    option = session.config.option
    chosen = any("::" in str(each) for each in session.config.args)
    narrowed = any(
        getattr(option, name, None)
        for name in ("keyword", "markexpr", "deselect", "lf", "database", "collectonly")
    )
    return not (chosen or narrowed or session.shouldstop or session.shouldfail)
