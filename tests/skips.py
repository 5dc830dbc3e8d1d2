"""Fails a run in which a test was skipped, or expected to fail, for a reason nobody has listed.

The list is `skips.toml`. A listed skip that says what must be missing is refused where it is there.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

LIST: Final = Path(__file__).with_name("skips.toml")


@dataclass(frozen=True, slots=True)
class Skip:
    """A reason that may be given; see the head of the list."""

    reason: str
    when: str
    where: str
    programs: tuple[str, ...] = ()
    module: str | None = None
    platform: str | None = None

    def covers(self, node: str, reason: str) -> bool:
        return node.startswith(self.where) and reason.startswith(self.reason)

    def fault(self) -> str | None:
        """Why it does not hold on this machine."""
        if found := next((name for name in self.programs if shutil.which(name)), None):
            return f"{found} is there"
        if self.module is not None and find_spec(self.module) is not None:
            return f"{self.module} is there"
        return f"this is {self.platform}" if sys.platform == self.platform else None


def load_skips(path: Path = LIST) -> list[Skip]:
    listed = tomllib.loads(path.read_text())["skip"]
    return [Skip(**each | {"programs": tuple(each.get("programs", ()))}) for each in listed]


def fault_of(node: str, reason: str, listed: Iterable[Skip]) -> str | None:
    """Why a test may not be skipped for this reason; None when it may."""
    found = [skip for skip in listed if skip.covers(node, reason)]
    if not found:
        return f"this is not in {LIST.name}"
    faults = [skip.fault() for skip in found]
    return None if None in faults else faults[0]


class SkipGuard:
    """The pytest plugin."""

    def __init__(self, listed: Sequence[Skip]) -> None:
        self._listed = listed
        self._refused: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._look(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._look(report)

    def _look(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        expected: str | None = getattr(report, "wasxfail", None)
        if expected is None and not report.skipped:
            return
        reason = _words(report) if expected is None else expected.removeprefix("reason: ")
        fault = fault_of(report.nodeid, reason, self._listed)
        if fault is not None:
            what = "skipped" if expected is None else "expected to fail"
            self._refused.append(f"{report.nodeid} was {what}: {reason!r}, but {fault}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._refused and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._refused:
            terminalreporter.section("skips that may not be", red=True)
            terminalreporter.write("\n".join(self._refused) + "\n")


def _words(report: pytest.CollectReport | pytest.TestReport) -> str:
    told = report.longrepr
    words = str(told[2]) if isinstance(told, tuple) else str(told)
    return words.removeprefix("Skipped: ").removeprefix("Skipped")
