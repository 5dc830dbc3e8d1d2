"""A hub as its users run it: `roomhub up` or `roomhub gateway` in a process of its own, on a free
port."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

START_S = 30.0
_ADDRESS = re.compile(r"roomhub is at (http://\S+)")


@dataclass
class HubProcess:
    """One data directory and the hub that runs on it, if one does, by `command`."""

    data_dir: Path
    env: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    address: str = ""
    output: list[str] = field(default_factory=list)
    command: str = "up"
    _reader: threading.Thread | None = None

    @property
    def key(self) -> str:
        """The admin's key."""
        return (self.data_dir / "admin.key").read_text().strip()

    @property
    def ws_address(self) -> str:
        return self.address.replace("http", "ws", 1) + "/v1/ws"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.address, headers=self.headers, timeout=60, trust_env=False
        )

    def async_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.address, headers=self.headers, timeout=60, trust_env=False
        )

    def start(self, *arguments: str) -> HubProcess:
        """Start it and wait for its address."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")} | dict(self.env)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hub.cli", self.command, "--port", "0", "--data-dir",
             str(self.data_dir), *arguments],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.output = []
        assert self.process.stdout is not None
        reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        reader.start()
        self._reader = reader
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if found := _ADDRESS.search("".join(self.output)):
                self.address = found.group(1)
                return self
            if told := self.ended():
                raise AssertionError(f"the hub did not start: {told}")
            time.sleep(0.01)
        raise AssertionError(f"the hub did not start:\n{''.join(self.output)}")

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self.output.append(line)

    def stop(self, within_s: float = 20) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)

    def ended(self) -> str:
        """How it ended and what it said; empty while it runs."""
        if self.process is None or (status := self.process.poll()) is None:
            return ""
        if self._reader is not None:
            self._reader.join(2)
        return f"{self.data_dir.name} ended with status {status}:\n{''.join(self.output)}"

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def run_hub(
    data_dir: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[HubProcess]:
    """A started hub, stopped at the end."""
    hub = HubProcess(data_dir, env or {})
    try:
        yield hub.start(*arguments)
    finally:
        if hub.process is not None and hub.process.poll() is None:
            try:
                hub.stop()
            except subprocess.TimeoutExpired:
                hub.kill()
                raise
