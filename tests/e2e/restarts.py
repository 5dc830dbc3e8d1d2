"""A hub that is stopped and started again under a client that is not ours, and what the client has
to tell in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.e2e.people import Person
from tests.support.hub import HubProcess

SCRIPT: Final = (Path(__file__).parent / "data" / "resuming.js").read_text()
LAST: Final = "This is the last."


def post(person: Person, room_id: str, *contents: str) -> None:
    for content in contents:
        body = {"content": content}
        person.client.post(f"/v1/rooms/{room_id}/messages", json=body).raise_for_status()


def restart(hub: HubProcess) -> None:
    """SIGTERM, and a new process on the same data and port."""
    port = urlsplit(hub.address).port
    assert 0 == hub.stop()
    hub.start("--port", str(port))


def check(story: dict[str, Any], contents: list[str], head: int) -> None:
    """The client applied every message once and in order, was told to come back, and resumed."""
    assert contents == story["contents"]
    assert list(range(head + 1, head + 1 + len(contents))) == story["seqs"]
    assert [1012] == [close["code"] for close in story["closes"] if close["code"] != 1006]
    first, *again = story["joins"]
    assert first == {"recovered": False, "since": None}
    assert again
    assert all(join["recovered"] for join in again)
