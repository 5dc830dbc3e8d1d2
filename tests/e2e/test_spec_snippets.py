"""Every example of the user's document runs as it stands, and does what the text around it says.

Only host, key and `{placeholders}` are replaced.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.people import Person, add_person, add_room, finished, head_of
from tests.e2e.snippets import HOST, Snippet, documented
from tests.support.hub import HubProcess

NO_PROXY = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
BOT = {"type": "bot", "id": "bot_design_reviewer"}
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@dataclass(frozen=True, slots=True)
class Answered:
    """What curl printed."""

    status: int
    body: Any

    @property
    def data(self) -> Any:
        assert "ok" == self.body["status"]
        return self.body["data"]


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who reads the document and runs its examples with a key of their own."""

    hub: HubProcess
    person: Person
    folder: Path

    def snippet(self, heading: str, language: str) -> str:
        found = [s for s in documented() if s.after == heading and s.language == language]
        assert 1 == len(found)
        return _at(self.hub, found[0])

    def curl(self, heading: str, **ids: str) -> Answered:
        """Run the curl example under a heading, as the person."""
        script = self.snippet(heading, "bash")
        for name, value in ids.items():
            script = script.replace(f"{{{name}}}", value)
        assert not re.search(r"\{\w+_id\}", script)
        (self.folder / ".curlrc").write_text('silent\nwrite-out = "\\n%{http_code}"\n')
        env = NO_PROXY | {"SCAIGRID_API_KEY": self.person.key, "CURL_HOME": str(self.folder)}
        body, _, status = self.run(["bash", "-c", script], env).rpartition("\n")
        return Answered(int(status), json.loads(body))

    def python(self, heading: str, session_id: str = "") -> str:
        """What the python example under a heading prints."""
        start = f"import httpx, json\nAPI_KEY = {self.person.key!r}\nsession_id = {session_id!r}\n"
        return self.run([sys.executable, "-c", start + self.snippet(heading, "python")], NO_PROXY)

    def typescript(self, heading: str, ending: str) -> Any:
        """What `ending` prints as JSON after the typescript example under a heading."""
        program = self.folder / "snippet.mjs"
        start = f"const API_KEY = {json.dumps(self.person.key)};\n"
        program.write_text(start + self.snippet(heading, "typescript") + ending)
        return json.loads(self.run(["node", str(program)], NO_PROXY))

    def run(self, command: list[str], env: dict[str, str]) -> str:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout

    def session(self, **fields: Any) -> str:
        body = {"model": "scailabs/poolnoodle-omni"} | fields
        made = self.person.client.post("/v1/sessions", json=body).raise_for_status()
        return str(made.json()["data"]["id"])

    def get(self, path: str) -> Any:
        return self.person.client.get(path).raise_for_status().json()["data"]


def _at(hub: HubProcess, snippet: Snippet) -> str:
    assert HOST in snippet.code
    return snippet.code.replace(HOST, hub.address)


@pytest.fixture
def reader(hub: HubProcess, person: Person, tmp_path: Path) -> Reader:
    return Reader(hub, person, tmp_path)


def _is_the_documented_session(session: Any, owner: str) -> None:
    assert re.fullmatch(r"sess_[0-9a-z]{26}", session["id"])
    assert "scailabs/poolnoodle-omni" == session["model"]
    assert "Product planning" == session["title"]
    assert "You are a product strategy consultant." == session["system_prompt"]
    assert {"project_id": "proj_123"} == session["metadata"]
    assert ("active", owner) == (session["status"], session["owner"])


# Sessions.


@needs_curl
def test_curl_creates_a_session(reader: Reader) -> None:
    made = reader.curl("Creating a session#")
    assert 201 == made.status
    _is_the_documented_session(made.data, reader.person.id)
    _is_the_documented_session(reader.get(f"/v1/sessions/{made.data['id']}"), reader.person.id)


def test_python_creates_a_session(reader: Reader) -> None:
    session_id = reader.python("Creating a session#").strip()
    _is_the_documented_session(reader.get(f"/v1/sessions/{session_id}"), reader.person.id)


@needs_node
def test_typescript_creates_a_session(reader: Reader) -> None:
    ending = "console.log(JSON.stringify([resp.status, session]));\n"
    status, session = reader.typescript("Creating a session#", ending)
    assert 201 == status
    _is_the_documented_session(session, reader.person.id)


@needs_curl
def test_sending_appends_the_message_and_the_reply_and_returns_both(reader: Reader) -> None:
    session_id = reader.session(system_prompt="You are a product strategy consultant.")
    sent = reader.curl("Sending a message#", session_id=session_id)
    assert 201 == sent.status
    example = next(json.loads(s.code) for s in documented() if s.language == "json")
    assert set(example) <= set(sent.body)
    assert _types(example["data"]) == _types({k: sent.data[k] for k in example["data"]})
    assert sent.data["message_id"].startswith("msg_")
    assert "stop" == sent.data["finish_reason"]
    assert "enterprise" in sent.data["content"] or "positioning" in sent.data["content"]
    assert min(sent.data["usage"].values()) > 0

    asked, reply = reader.get(f"/v1/sessions/{session_id}")["messages"]
    question = "What positioning would work for a B2B dev tool targeting enterprise infra teams?"
    assert ("user", question) == (asked["role"], asked["content"])
    assert ("assistant", sent.data["content"]) == (reply["role"], reply["content"])
    assert sent.data["message_id"] == reply["id"]
    assert (asked, reply) == (sent.data["user_message"], sent.data["message"])


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _types(item) for name, item in value.items()}
    return type(value)


@needs_curl
def test_the_model_reads_the_history_that_the_hub_keeps(reader: Reader) -> None:
    session_id = reader.session()
    first = reader.curl("Sending a message#", session_id=session_id)
    again = reader.curl("Sending a message#", session_id=session_id)
    grown = again.data["usage"]["prompt_tokens"] - first.data["usage"]["prompt_tokens"]
    assert grown >= first.data["usage"]["completion_tokens"]


@needs_curl
def test_listing_returns_the_sessions_the_caller_owns(hub: HubProcess, reader: Reader) -> None:
    mine = [reader.session(title=f"Mine {n}") for n in range(3)]
    other = add_person(hub, "other")
    with other.client:
        theirs = Reader(hub, other, reader.folder).session()
        listed = reader.curl("Listing sessions#")
    assert 200 == listed.status
    assert mine[::-1] == [session["id"] for session in listed.data["items"]]
    assert theirs not in mine
    assert {"has_more": False, "next_cursor": None} == listed.body["pagination"]


@needs_curl
def test_the_documented_limit_is_kept_and_the_cursor_goes_on(reader: Reader) -> None:
    mine = [reader.session() for _ in range(23)]
    listed = reader.curl("Listing sessions#")
    assert (20, True) == (len(listed.data["items"]), listed.body["pagination"]["has_more"])
    query = {"limit": 20, "cursor": listed.body["pagination"]["next_cursor"]}
    rest = reader.person.client.get("/v1/sessions", params=query).raise_for_status().json()
    shown = [s["id"] for s in listed.data["items"] + rest["data"]["items"]]
    assert mine[::-1] == shown
    assert {"has_more": False, "next_cursor": None} == rest["pagination"]


def test_a_tenant_admin_lists_all_sessions_and_a_user_may_not(
    reader: Reader, tenant_admin: Person
) -> None:
    session_id = reader.session()
    query = {"scope": "tenant", "limit": "200"}
    seen = tenant_admin.client.get("/v1/sessions", params=query).raise_for_status().json()
    assert session_id in [s["id"] for s in seen["data"]["items"]]
    own = tenant_admin.client.get("/v1/sessions").raise_for_status().json()["data"]["items"]
    assert [] == own
    refused = reader.person.client.get("/v1/sessions", params=query)
    assert 403 == refused.status_code
    assert "AUTHZ_PERMISSION_DENIED" == refused.json()["error"]["code"]


@needs_curl
def test_full_history_is_the_session_and_all_its_messages_in_order(reader: Reader) -> None:
    session_id = reader.session(title="Long", model="builtin/echo")
    for n in range(30):
        sent = {"content": f"Question {n}"}
        path = f"/v1/sessions/{session_id}/messages"
        reader.person.client.post(path, json=sent).raise_for_status()
    history = reader.curl("Retrieving full history#", session_id=session_id)
    assert 200 == history.status
    assert ("Long", 60) == (history.data["title"], history.data["message_count"])
    messages = history.data["messages"]
    assert ["user", "assistant"] * 30 == [m["role"] for m in messages]
    assert [f"Question {n}" for n in range(30)] == [m["content"] for m in messages[::2]]


def test_the_streaming_example_prints_the_reply_and_ends(reader: Reader) -> None:
    session_id = reader.session()
    printed = reader.python('Same as chat completions — set "stream": true:', session_id)
    asked, reply = reader.get(f"/v1/sessions/{session_id}")["messages"]
    assert "Summarize our discussion." == asked["content"]
    assert ("assistant", printed, "stop") == (
        reply["role"], reply["content"], reply["finish_reason"],
    )  # fmt: skip
    assert printed


@needs_curl
def test_updating_the_title_leaves_the_rest(reader: Reader) -> None:
    session_id = reader.session(title="Old", system_prompt="Be brief.", metadata={"a": 1})
    changed = reader.curl("Updating session metadata#", session_id=session_id)
    assert 200 == changed.status
    assert "Product positioning strategy" == changed.data["title"]
    assert ("Be brief.", {"a": 1}) == (changed.data["system_prompt"], changed.data["metadata"])


@pytest.mark.parametrize(
    "change",
    [
        {"title": "New"},
        {"system_prompt": "You are terse."},
        {"metadata": {"project_id": "proj_456", "tags": ["a", "b"]}},
        {"status": "closed"},
        {"title": "All", "system_prompt": "Be kind.", "metadata": {}, "status": "closed"},
    ],
    ids=lambda change: "+".join(change),
)
def test_every_editable_field_is_changed_and_kept(reader: Reader, change: dict[str, Any]) -> None:
    session_id = reader.session(title="Old", system_prompt="Old.", metadata={"old": True})
    path = f"/v1/sessions/{session_id}"
    before = reader.get(path)
    reader.person.client.patch(path, json=change).raise_for_status()
    after = reader.get(path)
    assert before | change | {"updated_at": after["updated_at"]} == after


@pytest.mark.parametrize("field", ["model", "id", "owner", "messages", "created_at", "handling"])
def test_no_other_field_is_editable(reader: Reader, field: str) -> None:
    path = f"/v1/sessions/{reader.session()}"
    before = reader.get(path)
    refused = reader.person.client.patch(path, json={field: before[field]})
    assert 422 == refused.status_code
    assert [field] == [d["field"] for d in refused.json()["error"]["details"]]
    assert before == reader.get(path)


def test_a_closed_session_takes_no_messages_until_it_is_active_again(reader: Reader) -> None:
    path = f"/v1/sessions/{reader.session()}"
    client = reader.person.client
    client.patch(path, json={"status": "closed"}).raise_for_status()
    refused = client.post(f"{path}/messages", json={"content": "Still there?"})
    assert (409, "SESSION_CLOSED") == (refused.status_code, refused.json()["error"]["code"])
    assert [] == reader.get(path)["messages"]
    client.patch(path, json={"status": "active"}).raise_for_status()
    client.post(f"{path}/messages", json={"content": "Back"}).raise_for_status()
    assert 2 == len(reader.get(path)["messages"])


@needs_curl
def test_a_deleted_session_is_gone_for_its_user(reader: Reader) -> None:
    session_id = reader.session()
    path = f"/v1/sessions/{session_id}"
    reader.person.client.post(f"{path}/messages", json={"content": "Hi"}).raise_for_status()
    deleted = reader.curl("Deleting a session#", session_id=session_id)
    assert 200 == deleted.status
    assert (session_id, "deleted_at" in deleted.data) == (deleted.data["id"], True)
    client = reader.person.client
    missing = client.get("/v1/sessions/sess_00000000000000000000000000")
    for answer in (
        client.get(path),
        client.patch(path, json={"title": "Back"}),
        client.post(f"{path}/messages", json={"content": "Hello?"}),
        client.delete(path),
    ):
        assert (404, missing.json()["error"]) == (answer.status_code, answer.json()["error"])
    assert [] == reader.get("/v1/sessions")["items"]


def test_hard_deletion_is_for_admins(reader: Reader, tenant_admin: Person) -> None:
    path = f"/v1/sessions/{reader.session()}"
    refused = reader.person.client.delete(path, params={"hard": "true"})
    assert (403, "AUTHZ_PERMISSION_DENIED") == (
        refused.status_code, refused.json()["error"]["code"],
    )  # fmt: skip
    assert "active" == reader.get(path)["status"]
    reader.person.client.delete(path).raise_for_status()
    erased = tenant_admin.client.delete(path, params={"hard": "true"})
    assert 200 == erased.status_code
    assert 404 == tenant_admin.client.delete(path, params={"hard": "true"}).status_code


# Rooms.


@needs_curl
def test_curl_creates_a_room_with_three_members_and_its_creator(reader: Reader) -> None:
    made = reader.curl("Creating a room#")
    assert 201 == made.status
    assert ("Design Review", "Weekly product design review") == (
        made.data["name"], made.data["description"],
    )  # fmt: skip
    expected = {
        reader.person.id: ("user", "owner"),
        "user_alice": ("user", "member"),
        "user_bob": ("user", "member"),
        "bot_design_reviewer": ("bot", "member"),
    }
    members = reader.get(f"/v1/rooms/{made.data['id']}")["members"]
    assert expected == {m["id"]: (m["type"], m["role"]) for m in members}


@needs_curl
def test_curl_adds_carol_and_a_second_time_answers_with_her_as_she_is(reader: Reader) -> None:
    room_id = add_room(reader.person)
    first = reader.curl("Adding members#", room_id=room_id)
    assert (201, "user_carol", "member") == (first.status, first.data["id"], first.data["role"])
    role = {"role": "observer"}
    path = f"/v1/rooms/{room_id}/members/user_carol"
    reader.person.client.patch(path, json=role).raise_for_status()
    head = head_of(reader.person, room_id)
    again = reader.curl("Adding members#", room_id=room_id)
    assert (200, "observer") == (again.status, again.data["role"])
    members = reader.get(f"/v1/rooms/{room_id}/members")["items"]
    assert again.data in members
    assert head == head_of(reader.person, room_id)


@pytest.mark.parametrize(
    "participant", ["user_bob", "bot_design_reviewer", "agent_researcher", "persona_poolnoodle"]
)
def test_every_type_of_member_can_be_added_and_mentioned(reader: Reader, participant: str) -> None:
    room_id = add_room(reader.person)
    ref = {"type": participant.split("_")[0], "id": participant}
    client = reader.person.client
    added = client.post(f"/v1/rooms/{room_id}/members", json=ref)
    assert (201, ref) == (added.status_code, {k: added.json()["data"][k] for k in ref})
    body = {"content": "Please look at zebra77", "mention": [ref]}
    posted = client.post(f"/v1/rooms/{room_id}/messages", json=body).json()["data"]
    assert [ref] == posted["mention"]
    if ref["type"] == "user":
        assert [] == posted["runs"]
        return
    run = finished(reader.person, posted["runs"][0]["id"])
    assert ("succeeded", ref) == (run["state"], run["participant"])
    reply = reader.get(f"/v1/rooms/{room_id}/messages/{run['reply_message_id']}")
    assert (ref["id"], posted["id"]) == (reply["author"]["id"], reply["thread_id"])
    assert "zebra77" in reply["content"]


@needs_curl
def test_a_mention_makes_the_bot_reply_in_the_thread(reader: Reader) -> None:
    room_id = add_room(reader.person, [BOT["id"]])
    posted = reader.curl("Posting a message#", room_id=room_id)
    assert 201 == posted.status
    assert "Can someone review the new onboarding flow?" == posted.data["content"]
    assert ([BOT], None, "final") == (
        posted.data["mention"], posted.data["thread_id"], posted.data["status"],
    )  # fmt: skip
    run = finished(reader.person, posted.data["runs"][0]["id"])
    assert "succeeded" == run["state"]
    thread = reader.get(f"/v1/rooms/{room_id}/messages/{posted.data['id']}/thread")["items"]
    assert [posted.data["id"], run["reply_message_id"]] == [m["id"] for m in thread]
    root, reply = thread
    assert (1, "bot_design_reviewer") == (root["reply_count"], reply["author"]["id"])
    assert reply["content"]


@needs_curl
def test_everybody_of_the_room_reads_the_message_and_the_reply(
    hub: HubProcess, reader: Reader, stranger: Person
) -> None:
    room_id = add_room(reader.person, [BOT["id"], stranger.id])
    posted = reader.curl("Posting a message#", room_id=room_id)
    run = finished(reader.person, posted.data["runs"][0]["id"])
    seen = stranger.client.get(f"/v1/rooms/{room_id}/messages").json()["data"]["items"]
    assert [posted.data["id"], run["reply_message_id"]] == [m["id"] for m in seen]


@needs_curl
def test_curl_replies_in_a_thread(reader: Reader) -> None:
    room_id = add_room(reader.person)
    path = f"/v1/rooms/{room_id}/messages"
    root = reader.person.client.post(path, json={"content": "The new page"}).json()["data"]
    reply = reader.curl("Threaded replies#", room_id=room_id, msg_id=root["id"])
    assert 201 == reply.status
    assert ("I think the CTA should be stronger.", root["id"]) == (
        reply.data["content"], reply.data["thread_id"],
    )  # fmt: skip
    deeper = reader.curl("Threaded replies#", room_id=room_id, msg_id=reply.data["id"])
    assert root["id"] == deeper.data["thread_id"]
    thread = reader.get(f"{path}/{root['id']}/thread")["items"]
    assert [root["id"], reply.data["id"], deeper.data["id"]] == [m["id"] for m in thread]
    assert 2 == thread[0]["reply_count"]
