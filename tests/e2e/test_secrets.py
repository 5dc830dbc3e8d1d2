"""What the log shows when something fails: never a key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.people import add_person
from tests.e2e.raw import open_raw
from tests.support.hub import run_hub

FAILING = """
import structlog
from hub.logs import set_up_logs
from hub.settings import load

def serve(token):
    raise RuntimeError("broken")

set_up_logs(load(log_format={log_format!r}))
try:
    serve("rhk_" + "secret")
except RuntimeError:
    structlog.get_logger("hub.test").exception("it failed")
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_in_the_log_shows_no_locals(log_format: str) -> None:
    program = FAILING.format(log_format=log_format)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "RuntimeError" in done.stderr
    assert "rhk_secret" not in done.stderr


def test_no_key_stands_in_the_log_when_a_handshake_fails(tmp_path: Path) -> None:
    with run_hub(tmp_path) as own:
        person = add_person(own, "logged")
        with person.client:
            header = f"Authorization: Bearer {person.key}".encode()
            with open_raw(own, header, b"Origin: http://[") as socket:
                socket.texts_until_close()
        own.stop()
        assert person.key[:40] not in "".join(own.output)
