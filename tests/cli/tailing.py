"""`roomhub rooms tail` in a process of its own, read line by line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar

import orjson

LINE_S = 20.0
HIDE_CURSOR = b"\x1b[?25l"
SHOW_CURSOR = b"\x1b[?25h"


class Tail:
    """What it prints, as it comes."""

    COMMAND: ClassVar = (sys.executable, "-m", "hub.cli")

    def __init__(self, process: subprocess.Popen[str], told: IO[bytes]) -> None:
        self._process = process
        self._told = told
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._enough = threading.Event()
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.closing(self._process.stdout) as out:
            for line in out:
                self._lines.put(line.rstrip("\n"))
                if self._enough.is_set():
                    return

    def line(self, within_s: float = LINE_S) -> str:
        """The next line; TimeoutError when none comes, with what it said instead."""
        try:
            return self._lines.get(timeout=within_s)
        except queue.Empty:
            raise TimeoutError(self.errors()) from None

    def entry(self, within_s: float = LINE_S) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.line(within_s))
        return found

    async def entry_soon(self) -> dict[str, Any]:
        """As `entry`, while the loop goes on."""
        return await asyncio.to_thread(self.entry)

    def errors(self) -> str:
        """What it said on standard error."""
        return os.pread(self._told.fileno(), 65_536, 0).decode()

    def hang_up(self) -> None:
        """Read the next line, and no more."""
        self._enough.set()

    def wait(self) -> int:
        return self._process.wait(LINE_S)

    def stop(self, how: signal.Signals) -> int:
        self._process.send_signal(how)
        return self.wait()

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reading.join(5)


@contextlib.contextmanager
def run_tail(data_dir: Path, *arguments: str) -> Iterator[Tail]:
    """Following a room; ended at the end."""
    env = _env()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            [*Tail.COMMAND, "rooms", "tail", *arguments, "--data-dir", str(data_dir)],
            env=env, stdout=subprocess.PIPE, stderr=told, text=True,
        )  # fmt: skip
        tail = Tail(process, told)
        try:
            yield tail
        finally:
            tail.end()


def _env() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}


class Terminal:
    """A terminal on which a room is followed."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self._process = process
        self._screen = screen

    def until(self, wanted: bytes) -> bytes:
        """What is shown up to the wanted text, and perhaps a little more."""
        seen, deadline = b"", time.monotonic() + LINE_S
        while wanted not in seen:
            ready, _, _ = select.select([self._screen], [], [], max(0, deadline - time.monotonic()))
            assert ready, seen
            seen += os.read(self._screen, 65_536)
        return seen

    def end(self, how: signal.Signals) -> int:
        self._process.send_signal(how)
        return self._process.wait(LINE_S)

    def rest(self) -> bytes:
        """What was shown since, of a process that has ended."""
        seen = b""
        with contextlib.suppress(OSError):  # Linux says so when nobody has the terminal any more
            while more := os.read(self._screen, 65_536):
                seen += more
        return seen


@contextlib.contextmanager
def run_on_terminal(data_dir: Path, *arguments: str) -> Iterator[Terminal]:
    """Following a room on a terminal; ended at the end."""
    screen, inside = pty.openpty()
    process = subprocess.Popen(
        [*Tail.COMMAND, "rooms", "tail", *arguments, "--data-dir", str(data_dir)],
        env=_env() | {"TERM": "xterm", "COLUMNS": "100"}, stdin=inside, stdout=inside,
        stderr=inside,
    )  # fmt: skip
    os.close(inside)
    try:
        yield Terminal(process, screen)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(screen)
