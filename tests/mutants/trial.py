"""Trying mutants: a copy of the tree, a mutant in it, its tests in a process of their own.

A mutant is caught by a test that *fails*. A test that cannot be collected or set up, or that meets
a name that is not there, shows a mutant that is no program any more; it says nothing about the
guard. A test that never ends is a catch only where the mutant says that it `hangs`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.mutants.mutant import Mutant

WARM: Final = Path(__file__).with_name("warm.py")
TREE: Final = ("hub", "workers", "tests", "deploy", "pyproject.toml", "README.md")
LIMIT_S: Final = 120.0
LEAST_S: Final = 60.0
SLOWER: Final = 6
END_S: Final = 10.0
QUIET: Final = ("-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
_NO_PROGRAM: Final = ("NameError", "ImportError", "ModuleNotFoundError", "UnboundLocalError",
                      "SyntaxError")  # fmt: skip

Kind = Literal["passed", "failed", "no program", "not run", "hung"]
Verdict = Literal["caught", "missed", "stale", "unproven"]


@dataclass(frozen=True, slots=True)
class Seen:
    """How the tests of a mutant ended."""

    kind: Kind
    seconds: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a mutant: `unproven` are those whose tests say nothing either way."""

    mutant: Mutant
    verdict: Verdict
    seconds: float
    words: str = ""


class Copy:
    """A copy of the tree in which mutants are tried one after the other."""

    def __init__(self, root: Path, pytest: Pytest) -> None:
        self.root = root
        self._pytest = pytest
        self._unbroken: dict[tuple[str, ...], Seen] = {}

    def attempt(self, mutant: Mutant) -> Result:
        """Run its tests on the tree as it is, then on the broken one."""
        if faults := mutant.faults(self.root):
            return Result(mutant, "stale", 0, "; ".join(faults))
        before = self._before(mutant)
        if before.kind != "passed":
            words = f"unbroken, the tests: {before.kind}. {before.words}"
            return Result(mutant, "unproven", before.seconds, words)
        with self._broken(mutant):
            limit_s = min(LIMIT_S, max(LEAST_S, before.seconds * SLOWER))
            if mutant.hangs:
                limit_s = max(LEAST_S / 4, before.seconds * SLOWER / 2)
            return judge(mutant, self.run(mutant, limit_s))

    def stop(self) -> None:
        """End what runs now; `attempt` then raises EOFError."""
        self._pytest.stop()

    def _before(self, mutant: Mutant) -> Seen:
        asked = (mutant.database, *mutant.tests)
        if asked not in self._unbroken:
            self._unbroken[asked] = self.run(mutant, LIMIT_S)
        return self._unbroken[asked]

    def run(self, mutant: Mutant, limit_s: float) -> Seen:
        """Run the mutant's tests on the tree as it is now."""
        report = self.root / "report.xml"
        report.unlink(missing_ok=True)
        began = time.monotonic()
        ended = self._pytest.run(
            ["-x", "-q", *QUIET, f"--junit-xml={report}",
             f"--database={mutant.database}", *mutant.tests],
            limit_s,
        )  # fmt: skip
        seconds = time.monotonic() - began
        if not ended:
            return Seen("hung", seconds, f"nothing came within {limit_s:.0f} s")
        if not report.exists():
            return Seen("not run", seconds, "pytest gave no report")
        return _read(report, seconds)

    @contextlib.contextmanager
    def _broken(self, mutant: Mutant) -> Iterator[None]:
        path = self.root / mutant.file
        text = path.read_text()
        _write(path, mutant.broken(text))
        try:
            yield
        finally:
            _write(path, text)


class Pytest:
    """Runs pytest in the tree at `root`, each time in a process of its own; see `warm.py`."""

    def __init__(self, root: Path) -> None:
        self._child: int | None = None
        env = {k: v for k, v in os.environ.items() if not k.startswith(("HUB_", "PYTEST_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(WARM)], cwd=root, env=env | {"PYTHONPATH": str(root)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
        )  # fmt: skip

    def run(self, arguments: Sequence[str], limit_s: float) -> bool:
        """Whether it ended by itself; otherwise it is interrupted, then killed. What it started
        and left behind is killed with it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(arguments).encode() + b"\n")
        child = self._child = int(self._line(LIMIT_S))
        try:
            return bool(self._line(limit_s))
        except TimeoutError:
            os.kill(child, signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                self._line(END_S)
                return False
            os.killpg(child, signal.SIGKILL)
            self._line(END_S)
            return False
        finally:
            self._end_child()

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)

    def _line(self, limit_s: float) -> bytes:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], limit_s)[0]:
            raise TimeoutError
        line = b""
        while not line.endswith(b"\n"):
            if not (piece := self._process.stdout.read(1)):
                raise EOFError("the process that runs pytest is gone")
            line += piece
        return line

    def stop(self) -> None:
        """End it, from whatever thread: who waits for it then gets EOFError."""
        self._end_child()
        self._process.kill()

    def close(self) -> None:
        self.stop()
        with self._process:  # closes its pipes
            pass


def _write(path: Path, text: str) -> None:
    """Python takes a compiled file for current when size and second are the same: drop it."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()
    path.write_text(text)


def judge(mutant: Mutant, seen: Seen) -> Result:
    """The verdict on a mutant whose tests passed before it was applied."""
    verdicts: dict[Kind, Verdict] = {
        "failed": "caught",
        "passed": "missed",
        "hung": "caught" if mutant.hangs else "unproven",
    }
    return Result(mutant, verdicts.get(seen.kind, "unproven"), seen.seconds, seen.words)


@contextlib.contextmanager
def open_copy(source: Path) -> Iterator[Copy]:
    """A copy of the tree at `source` in a temporary folder, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="roomhub-mutants-") as name:
        root = Path(name)
        for part in TREE:
            _copy(source / part, root / part)
        with contextlib.closing(Pytest(root)) as pytest:
            yield Copy(root, pytest)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
        shutil.copytree(source, target, ignore=ignored)
    elif source.exists():
        shutil.copy(source, target)


def _read(report: Path, seconds: float) -> Seen:
    """One verdict of pytest's report: a failure says most, then an error, then a skip."""
    cases = list(ET.parse(report).iter("testcase"))
    failures = [found for case in cases if (found := case.find("failure")) is not None]
    if failures:
        words = _first_line(failures)
        return Seen("no program" if words.startswith(_NO_PROGRAM) else "failed", seconds, words)
    for tag in ("error", "skipped"):
        others = [each for case in cases if (each := case.find(tag)) is not None]
        if others:
            return Seen("not run", seconds, _first_line(others))
    return Seen("passed" if cases else "not run", seconds)


def _first_line(found: Sequence[ET.Element]) -> str:
    return (found[0].get("message") or "").strip().partition("\n")[0][:160]
