"""`hub.cli.main`: a command that serves ends with one line and, where nobody expected it, a log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog.testing

from hub.cli.main import one_line
from hub.cli.reach import Stop
from hub.process import CannotStart


def test_what_keeps_a_hub_from_starting_is_one_line() -> None:
    with (
        structlog.testing.capture_logs() as told,
        pytest.raises(Stop, match=r"^the port is in use$"),
        one_line(),
    ):
        raise CannotStart("the port is in use")
    assert [] == told


def test_what_ends_a_hub_unexpectedly_is_in_the_log_with_where_it_came_from() -> None:
    with (
        structlog.testing.capture_logs() as told,
        pytest.raises(Stop, match=r"^ended by ExceptionGroup, see the log$"),
        one_line(),
    ):
        raise ExceptionGroup("unhandled errors in a TaskGroup", [KeyError("a name")])
    assert [("critical", True)] == [(each["log_level"], each["exc_info"]) for each in told]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("gateway", "--port", "0"), "set HUB_SECRET_KEY to the same random text on every gateway"),
        (("workers",), "set HUB_SECRET_KEY to the same random text on every gateway and worker"),
        (("keys", "list"), "set HUB_SECRET_KEY to that of the gateways"),
    ],
)
def test_what_shares_a_database_shares_its_secret(
    tmp_path: Path, command: tuple[str, ...], said: str
) -> None:
    """With one of its own nobody else would take its tokens, or read what it stored."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")} | {
        "HUB_DATABASE_URL": "postgresql://127.0.0.1:1/none", "HUB_REDIS_URL": "redis://127.0.0.1:1",
        "HUB_DATA_DIR": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli", *command],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert 1 == done.returncode
    assert said in " ".join(done.stderr.split())
    assert [] == list(tmp_path.iterdir())
