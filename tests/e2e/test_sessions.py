"""Sessions from outside: listed, paged, exported, taken over, made a room."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.e2e.bots import open_bots
from tests.e2e.people import Person, add_person, finished, named
from tests.e2e.refusals import check_answer
from tests.support.hub import HubProcess, run_hub

Json = dict[str, Any]


def start(person: Person, **fields: Any) -> str:
    """The path of a new session."""
    body = {"model": "builtin/echo", "title": "T"} | fields
    made = person.client.post("/v1/sessions", json=body).raise_for_status()
    return f"/v1/sessions/{made.json()['data']['id']}"


def say(person: Person, path: str, content: str) -> Json:
    answer = person.client.post(f"{path}/messages", json={"content": content}).raise_for_status()
    data: Json = answer.json()["data"]
    return data


def until(socket: ClientConnection, kind: str, within_s: float = 20) -> Json:
    """The next event of a kind."""
    while True:
        event: Json = json.loads(socket.recv(within_s))
        if event["type"] == kind:
            return event


@pytest.fixture
def chief(hub: HubProcess) -> Iterator[Person]:
    made = add_person(hub, "ann", "tenant_admin")
    with made.client:
        yield made


def test_lists_are_by_owner_and_status_and_go_on_by_cursor(
    person: Person, tenant_admin: Person
) -> None:
    paths = [start(person) for _ in range(5)]
    ids = [path.rsplit("/", 1)[1] for path in paths]
    person.client.patch(paths[1], json={"status": "closed"}).raise_for_status()
    person.client.delete(paths[2]).raise_for_status()
    seen, cursor = [], ""
    while True:
        page = person.client.get(f"/v1/sessions?limit=2{cursor}").raise_for_status().json()
        seen += [item["id"] for item in page["data"]["items"]]
        if not page["pagination"]["has_more"]:
            break
        cursor = f"&cursor={page['pagination']['next_cursor']}"
    assert [ids[4], ids[3], ids[1], ids[0]] == seen
    closed = person.client.get("/v1/sessions?status=closed").json()["data"]["items"]
    assert [ids[1]] == [item["id"] for item in closed]
    tenant = tenant_admin.client.get("/v1/sessions?scope=tenant&limit=200").json()
    assert {ids[0], ids[1]} <= {item["id"] for item in tenant["data"]["items"]}
    denied = person.client.get("/v1/sessions?scope=tenant")
    check_answer(denied, 403, "AUTHZ_PERMISSION_DENIED")
    check_answer(
        person.client.get("/v1/sessions?queue=waiting&status=active"), 422, "VALIDATION_ERROR",
        ["status"],
    )  # fmt: skip


def test_messages_are_paged_both_ways(person: Person) -> None:
    path = start(person)
    for n in range(4):
        say(person, path, f"m{n}")
    whole = person.client.get(path).json()["data"]["messages"]
    assert 8 == len(whole)
    newest = person.client.get(f"{path}/messages?limit=3").json()
    assert whole[-3:] == newest["data"]["items"]
    cursor = newest["pagination"]["next_cursor"]
    older = person.client.get(f"{path}/messages?limit=3&cursor={cursor}").json()
    assert whole[-6:-3] == older["data"]["items"]
    seq = whole[2]["seq"]
    after = person.client.get(f"{path}/messages?limit=3&after={seq}").json()["data"]["items"]
    assert whole[3:6] == after
    before = person.client.get(f"{path}?limit=2&before={seq}").json()["data"]["messages"]
    assert whole[:2] == before
    both = person.client.get(f"{path}/messages?before=9&after=1")
    check_answer(both, 422, "VALIDATION_ERROR", ["after"])


def test_a_session_is_exported_to_read_and_to_process(person: Person) -> None:
    path = start(person, title="Plans & more", system_prompt="Be brief.")
    say(person, path, "# A heading")
    text = person.client.get(f"{path}/export")
    assert text.headers["content-type"].startswith("text/markdown")
    assert "attachment" in text.headers["content-disposition"]
    assert all(part in text.text for part in ("# Plans & more", "Be brief.", "# A heading"))
    data = person.client.get(f"{path}/export?format=json").json()
    assert data == person.client.get(path).json()["data"]
    check_answer(person.client.get(f"{path}/export?format=pdf"), 422, "VALIDATION_ERROR",
                 ["format"])  # fmt: skip


def test_a_session_without_a_title_gets_one(hub: HubProcess, person: Person) -> None:
    path = start(person, title=None)
    session_id = path.rsplit("/", 1)[1]
    with connect(hub.ws_address, additional_headers=person.headers, proxy=None) as socket:
        socket.send(json.dumps({"id": 1, "type": "subscribe", "room_id": session_id}))
        until(socket, "reply")
        say(person, path, "How do I bake bread?")
        changed = until(socket, "room.updated")
    assert "How do I bake bread?" == changed["data"]["session"]["title"]
    assert "How do I bake bread?" == person.client.get(path).json()["data"]["title"]


def test_a_second_tab_and_the_team_see_the_same_reply_live(
    hub: HubProcess, person: Person, chief: Person
) -> None:
    path = start(person)
    session_id = path.rsplit("/", 1)[1]
    subscribe = json.dumps({"id": 1, "type": "subscribe", "room_id": session_id})
    with (
        connect(hub.ws_address, additional_headers=person.headers, proxy=None) as tab,
        connect(hub.ws_address, additional_headers=chief.headers, proxy=None) as team,
    ):
        for socket in (tab, team):
            socket.send(subscribe)
            assert until(socket, "reply")["ok"]
        answer = say(person, path, "one two three")
        for socket in (tab, team):
            assert "one two three" == until(socket, "message.created")["data"]["content"]
            assert until(socket, "message.delta")["data"]["text"]
            reply = until(socket, "message.created")["data"]
            assert (answer["message_id"], answer["content"]) == (reply["id"], reply["content"])


def call_a_person(person: Person, path: str, chief: Person, socket: ClientConnection) -> Json:
    """What an admin's connection hears of it, once it hears its own channel."""
    while True:
        asked = person.client.post(f"{path}/escalate", json={"message": "a person, please"})
        assert "a person, please" == asked.json()["data"]["queue"]["message"]
        try:
            return until(socket, "queue", 2)
        except TimeoutError:
            for call in ("takeover", "handback"):
                chief.client.post(f"{path}/{call}").raise_for_status()


def test_a_session_is_taken_over_and_handed_back(
    hub: HubProcess, person: Person, stranger: Person, chief: Person, tenant_admin: Person
) -> None:
    path = start(person)
    say(person, path, "hello")
    with connect(hub.ws_address, additional_headers=chief.headers, proxy=None) as socket:
        told = call_a_person(person, path, chief, socket)
        assert (True, told["room_id"]) == (told["data"]["waiting"], path.rsplit("/", 1)[1])
    waiting = chief.client.get("/v1/sessions?queue=waiting&limit=200").json()["data"]["items"]
    assert path.rsplit("/", 1)[1] in [item["id"] for item in waiting]
    check_answer(person.client.post(f"{path}/takeover"), 403, "AUTHZ_PERMISSION_DENIED")
    check_answer(stranger.client.post(f"{path}/takeover"), 404, "SESSION_NOT_FOUND")
    taken = chief.client.post(f"{path}/takeover").raise_for_status().json()["data"]
    assert ("human", chief.id, None) == (taken["handling"], taken["handler"], taken["queue"])
    mine = chief.client.get("/v1/sessions?queue=taken").json()["data"]["items"]
    assert [taken] == mine
    check_answer(tenant_admin.client.post(f"{path}/takeover"), 409, "SESSION_TAKEN", ["handler"])
    unanswered = say(person, path, "is anybody there?")
    assert (None, None, "human_agent") == (
        unanswered["message"], unanswered["message_id"], unanswered["finish_reason"],
    )  # fmt: skip
    body = {"content": "still there?", "stream": True}
    lines = person.client.post(f"{path}/messages", json=body).text.split("\n")
    data = [line[6:] for line in lines if line.startswith("data: ")]
    assert "[DONE]" == data[-1]
    assert all("delta" in json.loads(each)["choices"][0] for each in data[:-1])
    say(chief, path, "I am here")
    back = chief.client.post(f"{path}/handback", json={"note": "solved"}).json()["data"]
    assert ("ai", None) == (back["handling"], back["handler"])
    assert "thanks" == say(person, path, "thanks")["content"]
    roles = [m["role"] for m in person.client.get(path).json()["data"]["messages"]]
    assert ["user", "assistant", "user", "user", "human_agent", "user", "assistant"] == roles
    check_answer(chief.client.post(f"{path}/messages", json={"content": "x"}), 403,
                 "AUTHZ_PERMISSION_DENIED")  # fmt: skip


def test_a_session_goes_on_as_a_room(person: Person, stranger: Person) -> None:
    path = start(person)
    first = say(person, path, "hello")["user_message"]
    guest = {"type": "user", "id": stranger.id}
    body = {"name": "Together", "initial_members": [guest]}
    made = person.client.post(f"{path}/promote", json=body)
    assert 201 == made.status_code
    room = made.json()["data"]
    assert "Together" == room["name"]
    assert 200 == person.client.post(f"{path}/promote").status_code
    answer = stranger.client.post(
        f"/v1/rooms/{room['id']}/messages/{first['id']}/reply", json={"content": "and me?"}
    ).json()["data"]
    run = finished(stranger, answer["runs"][0]["id"])
    assert ("succeeded", 3) == (run["state"], len(run["context"]["message_ids"]))
    old = person.client.get(path).json()["data"]
    assert ("closed", room["id"], 2) == (old["status"], old["room_id"], len(old["messages"]))
    refused = person.client.post(f"{path}/messages", json={"content": "x"})
    check_answer(refused, 409, "SESSION_CLOSED")
    assert room["id"] in refused.json()["error"]["message"]


def test_a_bot_that_answers_a_session_calls_a_person(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with open_bots() as bots:
        env = {"HUB_OUTBOUND_ALLOW": f"127.0.0.1:{bots.port}"}
        with run_hub(tmp_path_factory.mktemp("escalate"), env=env) as hub, hub.client() as admin:
            url = bots.says("/", lambda _: (200, {"escalate": {"message": "A person will come."}}))
            bot_id = named("bot_support")
            bot = {"type": "bot", "id": bot_id, "name": "B", "driver": {"kind": "webhook",
                                                                        "url": url}}  # fmt: skip
            admin.post("/v1/participants", json=bot).raise_for_status()
            user = add_person(hub, "customer")
            with user.client:
                path = start(user, model=bot_id)
                assert "A person will come." == say(user, path, "help")["content"]
                queue = user.client.get(path).json()["data"]["queue"]
                assert "A person will come." == queue["message"]
                waiting = admin.get("/v1/sessions?queue=waiting").json()["data"]["items"]
                assert [path.rsplit("/", 1)[1]] == [item["id"] for item in waiting]
