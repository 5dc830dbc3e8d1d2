"""Starts `endpoint.py` as a process of its own, and asks it what it has seen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A running endpoint; `base_url` is what an `Upstream` or a model's configuration takes."""

    port: int
    seed: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def sent(self) -> dict[str, Any]:
        return await self._ask("GET", "/sent")

    async def stats(self, **at_least: int) -> dict[str, Any]:
        """The counts, once each named one is at least that: `await server.stats(disconnects=1)`."""
        return await self._ask("GET", "/stats", at_least)

    async def open_gates(self) -> int:
        """Lets every `gated` reply go on; how many there were."""
        opened: int = (await self._ask("POST", "/open"))["opened"]
        return opened

    async def _ask(
        self, method: str, path: str, query: dict[str, int] | None = None
    ) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            answer: dict[str, Any] = (await client.request(method, url, params=query)).json()
            return answer


@contextmanager
def run_model_server() -> Iterator[ModelServer]:
    """The endpoint on a free port; it ends with the block, and with this process if that dies."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.models.endpoint"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            port, seed = process.stdout.readline().split()
            yield ModelServer(int(port), int(seed))
        finally:
            process.kill()
