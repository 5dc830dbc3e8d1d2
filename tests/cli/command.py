"""Commands as people run them: here in this process, or in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from typer.testing import CliRunner

from hub.cli.main import app
from hub.cli.reach import Stop

COMMAND_S = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What a command with `--json` answered."""
        assert self.status == 0, self.err
        return orjson.loads(self.out)


def roomhub(*arguments: str, data_dir: Path) -> Ended:
    """Run a command on a data directory, without the settings of this process."""
    unset = {name: None for name in os.environ if name.startswith("HUB_")}
    done = CliRunner().invoke(app, [*arguments, "--data-dir", str(data_dir)], env=unset)
    if isinstance(done.exception, Stop):
        return Ended(1, done.stdout, f"{done.stderr}roomhub: {done.exception}\n")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


def roomhub_process(*arguments: str, data_dir: Path) -> Ended:
    """As `roomhub`, with everything a process of its own brings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli", *arguments, "--data-dir", str(data_dir)],
        env=env, capture_output=True, text=True, timeout=COMMAND_S, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def refused(done: Ended) -> str:
    """The one line of a command that ended with status 1."""
    assert (1, "") == (done.status, done.out)
    (line,) = done.err.splitlines()
    return line
