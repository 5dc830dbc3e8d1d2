"""A session of thousands of messages from outside: read whole and exported, page by page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Final

import httpx
import pytest

from tests.bench.crowd import add_messages
from tests.support.hub import HubProcess, run_hub
from tests.support.process import forget_peak, peak_mb, rss_mb

COUNT: Final = 1_000
REPEATED: Final = 2_500  # of "message N ", some 30 KB each
MB_GROWN: Final = 50.0  # the database keeps some pages of its own
PATH: Final = "/v1/sessions/sess_long"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """One that was filled while it was at rest."""
    folder = tmp_path_factory.mktemp("long")
    with run_hub(folder):
        pass
    add_messages(folder / "hub.db", "user_admin", COUNT, REPEATED)
    with run_hub(folder) as started:
        yield started


@pytest.fixture
def client(hub: HubProcess) -> Iterator[httpx.Client]:
    with hub.client() as opened:
        yield opened


def spoken(n: int) -> str:
    return f"message {n} " * REPEATED


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_long_session_is_read_whole_in_a_few_pages_of_memory(
    hub: HubProcess, client: httpx.Client
) -> None:
    assert hub.process is not None
    client.get(f"{PATH}?limit=200").raise_for_status()
    before = rss_mb(hub.process.pid)
    forget_peak(hub.process.pid)
    bodies = [
        client.get(path).raise_for_status()
        for path in (PATH, f"{PATH}/export?format=json", f"{PATH}/export")
    ]
    assert peak_mb(hub.process.pid) - before < MB_GROWN
    answer, file = bodies[0].json(), bodies[1].json()
    assert ("ok", file) == (answer["status"], answer["data"])
    assert bodies[1].text == json.dumps(file, indent=2, ensure_ascii=False)
    assert [spoken(n) for n in range(1, COUNT + 1)] == [m["content"] for m in file["messages"]]
    text = bodies[2].text
    assert text.startswith("# t\n")
    assert COUNT == text.count("\n## ")
    assert text.index(spoken(1)) < text.index(spoken(COUNT))


def test_it_ends_where_the_session_was_when_it_was_asked_for(client: httpx.Client) -> None:
    with client.stream("GET", PATH) as answer:
        parts = answer.iter_bytes()
        first = next(parts)
        body = {"content": "later", "client_id": "once"}
        client.post("/v1/rooms/sess_long/messages", json=body).raise_for_status()
        seqs = [m["seq"] for m in json.loads(first + b"".join(parts))["data"]["messages"]]
    assert list(range(1, COUNT + 1)) == seqs
    assert client.get(f"{PATH}/messages?after={COUNT}").json()["data"]["items"]


@pytest.mark.parametrize("form", ["", "/export", "/export?format=json"])
def test_it_breaks_off_when_the_key_is_revoked_meanwhile(client: httpx.Client, form: str) -> None:
    made = client.post("/v1/api-keys", json={"name": "soon gone"}).raise_for_status().json()["data"]
    headers = {"Authorization": f"Bearer {made['key']}"}
    with client.stream("GET", PATH + form, headers=headers) as answer:
        parts = answer.iter_bytes()
        size = len(next(parts))
        client.delete(f"/v1/api-keys/{made['id']}").raise_for_status()
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            for part in parts:
                size += len(part)
    assert size < COUNT * len(spoken(1)) // 2


def test_a_session_without_messages_is_whole_too(client: httpx.Client) -> None:
    made = client.post("/v1/sessions", json={"model": "builtin/echo", "title": "T"}).json()["data"]
    path = f"/v1/sessions/{made['id']}"
    assert made | {"messages": []} == client.get(path).json()["data"]
    file = client.get(f"{path}/export?format=json")
    assert file.text == json.dumps(made | {"messages": []}, indent=2, ensure_ascii=False)
    assert client.get(f"{path}/export").text.startswith("# T\n")


def test_of_a_long_session_the_head_alone_can_be_asked_for(client: httpx.Client) -> None:
    answer = client.head(f"{PATH}/export")
    assert (200, b"") == (answer.status_code, answer.content)
    assert 'attachment; filename="sess_long.md"' == answer.headers["Content-Disposition"]
