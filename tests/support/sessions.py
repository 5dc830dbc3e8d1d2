"""A pytest session in a process of its own, on files that a test writes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Session:
    """How it ended: its exit status, and everything it printed."""

    status: int
    output: str


def run_session(folder: Path, files: Mapping[str, str], *arguments: str) -> Session:
    """Write `files` (text by path) into `folder` and run pytest there; our `tests` can be
    imported by them."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments],
        cwd=folder, env=env | {"PYTHONPATH": str(_ROOT)}, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return Session(done.returncode, done.stdout)
