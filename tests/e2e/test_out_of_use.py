"""An AI participant that was taken out of use, from outside: whoever speaks to it learns why nobody
answers, and what they said is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.e2e.people import Person, add_room, named
from tests.e2e.refusals import check, check_answer
from tests.support.hub import HubProcess

Json = dict[str, Any]
HELD = ("suppressed", "it is out of use")


@pytest.fixture
def bot(hub: HubProcess) -> str:
    """A bot on a model that repeats what it is told."""
    bot_id = named("bot")
    with hub.client() as admin:
        driver = {"kind": "model", "model": "builtin/echo"}
        body = {"type": "bot", "id": bot_id, "name": "Bot", "driver": driver}
        admin.post("/v1/participants", json=body).raise_for_status()
    return bot_id


def disable(hub: HubProcess, participant_id: str) -> None:
    with hub.client() as admin:
        admin.delete(f"/v1/participants/{participant_id}").raise_for_status()


def asked(socket: ClientConnection, kind: str, **fields: Any) -> Json:
    """The reply to a command."""
    socket.send(json.dumps({"id": kind, "type": kind} | fields))
    while True:
        frame: Json = json.loads(socket.recv(10))
        if frame["type"] == "reply":
            return frame


def of(runs: list[Json]) -> list[tuple[str, str]]:
    return [(run["state"], run.get("reason", "")) for run in runs]


def test_a_mention_of_who_is_out_of_use_says_so_and_is_kept(
    hub: HubProcess, person: Person, bot: str
) -> None:
    room_id = add_room(person, [bot])
    path, mention = f"/v1/rooms/{room_id}/messages", [{"type": "bot", "id": bot}]
    call = {"content": f"@{bot.removeprefix('bot_')}?"}
    with connect(hub.ws_address, additional_headers=person.headers, proxy=None) as socket:
        assert "hello" == json.loads(socket.recv(10))["type"]
        before = asked(socket, "post", room_id=room_id, **call)
        assert [("queued", "")] == of(before["data"]["runs"])
        disable(hub, bot)
        for body in (call, {"content": "and now?", "mention": mention}):
            posted = person.client.post(path, json=body).raise_for_status().json()["data"]
            assert [HELD] == of(posted["runs"])
            run = person.client.get(f"/v1/runs/{posted['runs'][0]['id']}").json()["data"]
            assert HELD == (run["state"], run["reason"])
            said = asked(socket, "post", room_id=room_id, **body)
            assert (True, [HELD]) == (said["ok"], of(said["data"]["runs"]))
            dry = person.client.post(f"{path}?dry_run=true", json=body).json()["data"]
            assert ([], ["it is out of use"]) == (
                dry["would_run"], [each["reason"] for each in dry["would_not_run"]],
            )  # fmt: skip
            kept = person.client.get(f"{path}/{posted['id']}").raise_for_status().json()["data"]
            assert body["content"] == kept["content"]
        again = person.client.post(f"/v1/runs/{posted['runs'][0]['id']}/retry")
        check_answer(again, 409, "RUN_STATE")
        quiet = person.client.post(path, json={"content": "to nobody"}).json()["data"]
        assert [] == quiet["runs"]


def test_a_session_whose_model_is_out_of_use_says_so_however_it_is_written_to(
    hub: HubProcess, person: Person, tenant_admin: Person, bot: str
) -> None:
    made = person.client.post("/v1/sessions", json={"model": bot, "title": "T"}).raise_for_status()
    session_id = made.json()["data"]["id"]
    path, by_room = f"/v1/sessions/{session_id}", f"/v1/rooms/{session_id}/messages"
    first = {"content": "hello", "client_id": "once"}
    with connect(hub.ws_address, additional_headers=person.headers, proxy=None) as socket:
        assert "hello" == json.loads(socket.recv(10))["type"]
        before = asked(socket, "post", room_id=session_id, **first)
        assert [("queued", "")] == of(before["data"]["runs"])
        disable(hub, bot)
        check_answer(
            person.client.post(f"{path}/messages", json={"content": "x"}), 503, "MODEL_UNAVAILABLE"
        )
        check_answer(person.client.post(by_room, json={"content": "x"}), 503, "MODEL_UNAVAILABLE")
        refused = asked(socket, "post", room_id=session_id, content="x")
        check(refused["error"], "MODEL_UNAVAILABLE", [])
        same = asked(socket, "post", room_id=session_id, **first)
        assert before["data"]["id"] == same["data"]["id"]
        person.client.post(f"{path}/escalate").raise_for_status()
        waiting = asked(socket, "post", room_id=session_id, content="anybody?")
        assert (True, []) == (waiting["ok"], waiting["data"]["runs"])
        tenant_admin.client.post(f"{path}/takeover").raise_for_status()
        said = tenant_admin.client.post(by_room, json={"content": "I am."}).raise_for_status()
        assert [] == said.json()["data"]["runs"]


def test_a_reply_of_a_model_that_is_out_of_use_now_stays(
    hub: HubProcess, person: Person, bot: str
) -> None:
    made = person.client.post("/v1/sessions", json={"model": bot, "title": "T"}).raise_for_status()
    path = f"/v1/sessions/{made.json()['data']['id']}"
    said = person.client.post(f"{path}/messages", json={"content": "hello"}).raise_for_status()
    asked_id = said.json()["data"]["user_message"]["id"]
    disable(hub, bot)
    before = person.client.get(path).json()["data"]["messages"]
    assert 2 == len(before)
    for stream in (False, True):
        how = {"stream": stream}
        again = person.client.post(f"{path}/regenerate", json=how)
        check_answer(again, 503, "MODEL_UNAVAILABLE")
        anew = {"content": "hi"} | how
        edited = person.client.patch(f"{path}/messages/{asked_id}", json=anew)
        check_answer(edited, 503, "MODEL_UNAVAILABLE")
    assert before == person.client.get(path).json()["data"]["messages"]
