"""fakellm, a model server that none of us wrote, with canned answers: in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

START_S: Final = 20.0
GREETING: Final = "Good morning — grüß Gott, 日本 👋 and welcome."
RULES: Final = f"""\
version: 1
defaults: {{fallback: deterministic_echo}}
rules:
  - name: greeting
    when: {{messages_contain: "hello"}}
    respond: {{content: "{GREETING}"}}
  - name: weather
    when: {{messages_contain: "weather"}}
    respond:
      tool_calls:
        - {{name: look_outside, arguments: {{city: "Köln", days: 3}}}}
  - name: refused
    when: {{messages_contain: "forbidden"}}
    respond: {{status: 429, error: "canned limit"}}
"""


@contextmanager
def run_canned(folder: Path) -> Iterator[str]:
    """Its base URL; the server ends with the block."""
    (folder / "fakellm.yaml").write_text(RULES)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        env = os.environ | {"FAKELLM_CONFIG": str(folder / "fakellm.yaml")}
        command = [sys.executable, "-m", "uvicorn", "fakellm.server:app", "--log-level", "error"]
        process = subprocess.Popen(
            [*command, "--fd", str(listener.fileno())], env=env, cwd=folder,
            pass_fds=[listener.fileno()],
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            _reach(url, process)
            yield f"{url}/v1"
        finally:
            process.terminate()
            process.wait(10)


def _reach(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/_fakellm/stats", trust_env=False, timeout=START_S).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("fakellm did not start")
