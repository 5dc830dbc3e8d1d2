"""A server process of the topology: its log, its end, and that it never outlives its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.bus.embedded import dies_with_parent


@dataclass(frozen=True, slots=True)
class Child:
    """A process that leads a session of its own, so that Ctrl-C reaches its parent alone.

    `stop_signal` is what asks it to end well.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        """All it has written."""
        return self.log.read_text(errors="replace")

    def last_line(self) -> str:
        lines = self.said().strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def ask_to_stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def end(self, deadline: float) -> None:
        """Wait until `deadline` (monotonic); then kill it. Its own children go with it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def start_child(
    name: str,
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str],
    *,
    stop_signal: signal.Signals = signal.SIGTERM,
    orphaned: signal.Signals = signal.SIGKILL,
) -> Child:
    """Start it with a fresh log; `orphaned` is the signal it gets when this process dies."""
    log.write_bytes(b"")
    with log.open("ab") as told:
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dies_with_parent(orphaned),
        )
    return Child(name, process, log, stop_signal)
