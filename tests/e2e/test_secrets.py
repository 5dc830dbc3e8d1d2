"""What the log shows when something fails, and the disk all the time: never a key."""

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


def test_a_copy_of_the_database_tells_neither_keys_of_models_nor_secrets_of_webhooks(
    tmp_path: Path,
) -> None:
    """What it tells is who they belong to; whoever has another HUB_SECRET_KEY is told so."""
    hook = {"kind": "webhook", "url": "https://bots.example.com/hook"}
    bot = {"type": "bot", "id": "bot_hooked", "name": "Hooked", "driver": hook}
    model = {"base_url": "https://models.example.com/v1", "api_key": "sk-never-on-the-disk"}
    with run_hub(tmp_path, env={"HUB_SECRET_KEY": "one"}) as own:
        with own.client() as admin:
            admin.put("/v1/models/acme/big", json=model).raise_for_status()
            made = admin.post("/v1/participants", json=bot).raise_for_status().json()["data"]
            rotated = admin.patch("/v1/participants/bot_hooked", json={"rotate_secret": True})
        hidden = ["sk-never-on-the-disk", made["secret"], rotated.json()["data"]["secret"]]
        own.stop()
        kept = b"".join(each.read_bytes() for each in tmp_path.glob("hub.db*"))
        assert b"bot_hooked" in kept
        assert [] == [each for each in hidden if each.removeprefix("whsec_").encode() in kept]
        assert [] == [each for each in hidden if each in "".join(own.output)]
    with run_hub(tmp_path, env={"HUB_SECRET_KEY": "two"}) as other, other.client() as admin:
        asked = {"model": "acme/big", "messages": [{"role": "user", "content": "hi"}]}
        admin.post("/v1/chat/completions", json=asked)
        assert "a model has lost a key; give it again" in "".join(other.output)
        admin.put("/v1/models/acme/big", json=model).raise_for_status()
        admin.patch("/v1/participants/bot_hooked", json={"rotate_secret": True}).raise_for_status()
