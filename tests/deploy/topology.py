"""The topology as its users run it: the script in a process of its own, on free ports."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from deploy.nginx import HOW_TO_GET_IT, find_nginx

ROOT: Final = Path(__file__).parents[2]
START_S: Final = 120.0
STOP_S: Final = 60.0
_PART: Final = re.compile(r"^  (\w+) +pid (\d+)", re.MULTILINE)


def nginx_or_skip() -> str:
    """The program; skips the test where there is none."""
    program = find_nginx()
    if program is None:
        pytest.skip(f"nginx is missing: {HOW_TO_GET_IT}")
    return program


@dataclass
class TopologyProcess:
    """The running script and what it said."""

    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        return "".join(self.output)

    @property
    def address(self) -> str:
        return self._told(r"roomhub is at (http://\S+)")

    @property
    def key(self) -> str:
        return Path(self._told(r"the key of user_admin is in (\S+)")).read_text().strip()

    @property
    def parts(self) -> dict[str, int]:
        """The pids it printed, by name."""
        return {name: int(pid) for name, pid in _PART.findall(self.said)}

    def _told(self, pattern: str) -> str:
        found = re.search(pattern, self.said)
        assert found is not None, self.said
        return found.group(1)

    def wait_for(self, text: str) -> None:
        """Until it has said this."""
        deadline = time.monotonic() + START_S
        while text not in self.said:
            assert self.process.poll() is None and time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def processes(self) -> set[int]:
        """The script and everything it has started, with what that has started."""
        found, new = set[int](), {self.process.pid}
        while new:
            found |= new
            new = {child for pid in new for child in _children(pid)} - found
        return found

    def read(self) -> None:
        """Collect what it says until it ends."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.output.append(line)


@contextlib.contextmanager
def run_topology(*arguments: str) -> Iterator[TopologyProcess]:
    """Started whole, with nginx; stopped at the end, and its files are gone."""
    nginx_or_skip()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="roomhub-test-"))
        Path(folder).chmod(0o711)  # PostgreSQL's user passes through
        topology = TopologyProcess(_start(arguments, folder))
        stack.callback(_stop, topology.process)
        threading.Thread(target=topology.read, daemon=True).start()
        topology.wait_for("stop with Ctrl-C")
        yield topology


def _start(arguments: tuple[str, ...], folder: str) -> subprocess.Popen[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")} | {"TMPDIR": folder}
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "--port", "0", *arguments],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(STOP_S)


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except FileNotFoundError:
        return []


def left_of(pids: set[int], within_s: float) -> set[int]:
    """Those that still run when the time is over (a zombie nobody waits for does not)."""
    deadline = time.monotonic() + within_s
    while (left := {pid for pid in pids if _runs(pid)}) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
