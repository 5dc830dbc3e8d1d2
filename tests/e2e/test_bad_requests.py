"""Wrong paths, methods, parameters, headers: refused by name, and nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.people import Person, add_room, head_of
from tests.e2e.raw import open_socket
from tests.e2e.refusals import BOT, INVALID, MISSING_ROOM, Stage, check_answer

pytestmark = pytest.mark.usefixtures("nothing_is_stored")

# Rooms, messages, sessions that are not there, or not for the caller.


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "Mine now"}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
        ("GET", "/members", None),
        ("POST", "/members", {"type": "user", "id": "user_bob"}),
        ("PATCH", "/members/user_bob", {"role": "admin"}),
        ("DELETE", "/members/user_bob", None),
        ("GET", "/messages", None),
        ("POST", "/messages", {"content": "x"}),
        ("POST", "/messages", {"content": "x", "mention": [BOT]}),
        ("GET", "/messages/msg_x", None),
        ("POST", "/messages/{message}/reply", {"content": "x"}),
        ("GET", "/messages/{message}/thread", None),
        ("GET", "/events", None),
    ],
)
def test_a_foreign_room_answers_like_a_missing_one(
    stage: Stage, method: str, path: str, body: Any
) -> None:
    def ask(room_id: str) -> httpx.Response:
        url = f"/v1/rooms/{room_id}{path.format(**stage.ids)}"
        return stage.owner.client.request(method, url, json=body)

    foreign, missing = ask(stage.foreign_id), ask(MISSING_ROOM)
    check_answer(foreign, 404, "ROOM_NOT_FOUND")
    check_answer(missing, 404, "ROOM_NOT_FOUND")
    assert _alike(foreign) == _alike(missing)


def _alike(answer: httpx.Response) -> Any:
    """All of an answer but the request's own id and the date."""
    headers = {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "date")}
    return answer.status_code, answer.json()["error"], headers


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/rooms/{room}/messages/msg_00000000000000000000000000", "MESSAGE_NOT_FOUND"),
        ("/v1/rooms/{room}/messages/%F0%9F%98%80/thread", "MESSAGE_NOT_FOUND"),
        ("/v1/rooms/{session}/messages/{message}", "MESSAGE_NOT_FOUND"),
        ("/v1/rooms/..%2F..%2Fetc%2Fpasswd", "NOT_FOUND"),
        ("/v1/rooms/%ff%fe", "ROOM_NOT_FOUND"),
        ("/v1/rooms/" + "r" * 5000, "ROOM_NOT_FOUND"),
        ("/v1/rooms/' OR 1=1 --", "ROOM_NOT_FOUND"),
        ("/v1/sessions/{room}", "SESSION_NOT_FOUND"),
        ("/v1/sessions/sess_nope", "SESSION_NOT_FOUND"),
        ("/v1/participants/user_nobody", "PARTICIPANT_NOT_FOUND"),
        ("/v1/runs/run_nope", "RUN_NOT_FOUND"),
        ("/v1/nothing", "NOT_FOUND"),
        ("/nothing", "NOT_FOUND"),
        ("/assets/nothing.js", "FILE_NOT_FOUND"),
        ("/assets/..%2fserver.py", "NOT_FOUND"),
    ],
)
def test_what_is_not_there_is_404(stage: Stage, path: str, code: str) -> None:
    check_answer(stage.owner.client.get(path.format(**stage.ids)), 404, code)


def test_a_reply_to_a_message_of_another_room_is_404(stage: Stage) -> None:
    theirs = stage.other.client.post(
        f"/v1/rooms/{add_room(stage.other)}/messages", json={"content": "x"}
    ).json()["data"]["id"]
    url = f"/v1/rooms/{stage.room_id}/messages/{theirs}/reply"
    check_answer(stage.owner.client.post(url, json={"content": "x"}), 404, "MESSAGE_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/rooms", "GET, POST"),
        ("DELETE", "/v1/sessions", "GET, POST"),
        ("POST", "/v1/rooms/{room}", "DELETE, GET, PATCH"),
        ("POST", "/v1/ws", "GET"),
        ("OPTIONS", "/v1/me", "GET"),
        ("TRACE", "/v1/me", "use GET"),
        ("PROPFIND", "/v1/rooms", "use GET, POST"),
        ("GET", "/v1/login", ""),
        ("POST", "/healthz", ""),
        ("POST", "/", ""),
    ],
)
def test_another_method_is_405(stage: Stage, method: str, path: str, allowed: str) -> None:
    answer = stage.owner.client.request(method, path.format(**stage.ids))
    check_answer(answer, 405, "METHOD_NOT_ALLOWED")
    assert allowed in answer.json()["error"]["message"]


# Query parameters.


@pytest.mark.parametrize(
    "limit",
    ["0", "-1", "201", "1e3", "1_000", "٣", "１", "", " 5", "5 ", "+5", "5.0", "0x10", "NaN",
     "null", "9" * 400, "18446744073709551616", "1\x00"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/rooms/{room}/messages"])
def test_a_limit_is_1_to_200_in_plain_digits(stage: Stage, path: str, limit: str) -> None:
    answer = stage.owner.client.get(path.format(**stage.ids), params={"limit": limit})
    check_answer(answer, 422, INVALID, ["limit"])


@pytest.mark.parametrize(
    ("path", "query", "wrong"),
    [
        ("/v1/sessions", "limit=5&limit=6", "limit"),
        ("/v1/sessions", "limit=5&limit=5", "limit"),
        ("/v1/sessions", "scope=tenant&scope=tenant", "scope"),
        ("/v1/sessions", "scope=world", "scope"),
        ("/v1/sessions", "status=deleted", "status"),
        ("/v1/sessions", "colour=red", "colour"),
        ("/v1/sessions", "colour", "colour"),
        ("/v1/rooms", "offset=5", "offset"),
        ("/v1/rooms/{room}/messages", "before=1&after=1", "after"),
        ("/v1/rooms/{room}/messages", "before=-1", "before"),
        ("/v1/rooms/{room}/messages", "after=1e3", "after"),
        ("/v1/rooms/{room}/messages", "after=9007199254740993", "after"),
        ("/v1/rooms/{room}/events", "since=-1", "since"),
        ("/v1/rooms/{room}/events", "since=1.5", "since"),
        ("/v1/rooms/{room}/events", "since=%D9%A1", "since"),
        ("/v1/rooms/{room}/events", "since=1&since=2", "since"),
        ("/v1/rooms/{room}/messages/{message}/thread", "after=x", "after"),
        ("/v1/sessions/{session}", "limit=201", "limit"),
        ("/v1/sessions/{session}", "before=x", "before"),
    ],
)
def test_a_bad_query_parameter_is_named(stage: Stage, path: str, query: str, wrong: str) -> None:
    answer = stage.owner.client.get(f"{path.format(**stage.ids)}?{query}")
    check_answer(answer, 422, INVALID, [wrong])


def test_hard_is_true_or_false(stage: Stage) -> None:
    answer = stage.owner.client.delete(f"/v1/sessions/{stage.session_id}?hard=yes")
    check_answer(answer, 422, INVALID, ["hard"])


def _cursor(stage: Stage, path: str) -> str:
    answer = stage.owner.client.get(path.format(**stage.ids), params={"limit": 1})
    return str(answer.raise_for_status().json()["pagination"]["next_cursor"])


def test_a_cursor_that_somebody_changed_is_refused(stage: Stage) -> None:
    path = f"/v1/rooms/{stage.room_id}/messages"
    good = _cursor(stage, path)
    assert 200 == stage.owner.client.get(path, params={"cursor": good}).status_code
    flipped = ("B" if good[0] != "B" else "C") + good[1:]
    tampered = [flipped, good[:-4], good + "AAAA", good[::-1], "", "<5", "%%%", "é", "A" * 5000]
    for cursor in tampered:
        answer = stage.owner.client.get(path, params={"cursor": cursor})
        check_answer(answer, 422, INVALID, ["cursor"])


@pytest.mark.parametrize(
    ("made_by", "used_for"),
    [
        ("/v1/rooms/{room}/messages", "/v1/rooms/{room}/events"),
        ("/v1/rooms/{room}/events", "/v1/rooms/{room}/messages"),
        ("/v1/rooms/{room}/messages", "/v1/rooms/{session}/messages"),
        ("/v1/rooms/{room}/messages", "/v1/rooms"),
        ("/v1/rooms/{room}/events", "/v1/rooms/{room}/messages/{message}/thread"),
    ],
)
def test_a_cursor_of_another_list_is_refused(stage: Stage, made_by: str, used_for: str) -> None:
    params = {"cursor": _cursor(stage, made_by)}
    answer = stage.owner.client.get(used_for.format(**stage.ids), params=params)
    check_answer(answer, 422, INVALID, ["cursor"])


# The envelope of a request: type, size, who.


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/msgpack", "application/json-patch+json", "", "json"],
)  # fmt: skip
def test_another_content_type_is_415(stage: Stage, kind: str) -> None:
    answer = stage.owner.client.post(
        f"/v1/rooms/{stage.room_id}/messages",
        content=b'{"content":"x"}',
        headers={"content-type": kind},
    )
    check_answer(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


BODILESS = [
    ("POST", "/v1/rooms/{room}/restore"),
    ("DELETE", "/v1/rooms/{room}"),
    ("POST", "/v1/sessions/{session}/cancel"),
    ("POST", "/v1/runs/run_nope/cancel"),
    ("POST", "/v1/runs/run_nope/retry"),
    ("PUT", "/v1/rooms/{room}/messages/{message}/reactions/x"),
    ("DELETE", "/v1/api-keys/key_nope"),
]


@pytest.mark.parametrize(("method", "path"), BODILESS)
@pytest.mark.parametrize(
    ("body", "status", "code", "fields"),
    [
        (b'{"colour":"red"}', 422, INVALID, ["colour"]),
        (b"{", 422, INVALID, []),
        (b" " * 262_145, 413, "PAYLOAD_TOO_LARGE", []),
    ],
    ids=["field", "no-json", "huge"],
)
def test_what_a_call_without_a_body_is_given_is_not_passed_over(
    stage: Stage, method: str, path: str, body: bytes, status: int, code: str, fields: list[str]
) -> None:
    headers = {"content-type": "application/json"}
    url = path.format(**stage.ids)
    answer = stage.owner.client.request(method, url, content=body, headers=headers)
    check_answer(answer, status, code, fields)


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_body_of_nothing_is_none(person: Person, kind: str, body: bytes) -> None:
    url = f"/v1/rooms/{add_room(person)}/restore"
    answer = person.client.post(url, content=body, headers={"content-type": kind})
    assert (415 if body and "form" in kind else 200) == answer.status_code


def test_a_compressed_body_is_415(stage: Stage) -> None:
    answer = stage.owner.client.post(
        f"/v1/rooms/{stage.room_id}/messages",
        content=b"\x1f\x8b",
        headers={"content-type": "application/json", "content-encoding": "gzip"},
    )
    check_answer(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_body_over_256_kib_is_413_whether_its_length_is_said_or_not(stage: Stage) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(5):
            yield b" " * 65_536

    url = f"/v1/rooms/{stage.room_id}/messages"
    headers = {"content-type": "application/json"}
    said = b" " * 262_145
    check_answer(
        stage.owner.client.post(url, content=said, headers=headers), 413, "PAYLOAD_TOO_LARGE"
    )
    check_answer(
        stage.owner.client.post(url, content=parts(), headers=headers), 413, "PAYLOAD_TOO_LARGE"
    )
    exactly = b'{"content":""}'.ljust(262_144)
    check_answer(
        stage.owner.client.post(url, content=exactly, headers=headers), 422, INVALID, ["content"]
    )


def test_a_body_that_is_said_to_be_too_large_is_413_before_it_comes(stage: Stage) -> None:
    lines = (
        f"POST /v1/rooms/{stage.room_id}/messages HTTP/1.1", "Host: hub",
        f"Authorization: Bearer {stage.owner.key}", "Content-Type: application/json",
        "Content-Length: 262145", "", "",
    )  # fmt: skip
    with open_socket(stage.hub) as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "AUTH_TOKEN_MISSING"),
        ([b""], "AUTH_TOKEN_INVALID"),
        ([b"Bearer"], "AUTH_TOKEN_INVALID"),
        ([b"KEY"], "AUTH_TOKEN_INVALID"),
        ([b"Basic KEY"], "AUTH_TOKEN_INVALID"),
        ([b"Token KEY"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer Bearer KEY"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer KEYx"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer KEY KEY"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer KEY", b"Bearer KEY"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer rhk_"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer rhk__"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer rhk_a_b"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer rhk_\xff\xfe_x"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer null"], "AUTH_TOKEN_INVALID"),
        ([b"Bearer " + b"x" * 10_000], "AUTH_TOKEN_INVALID"),
    ],
)
def test_a_bad_authorization_is_401(stage: Stage, headers: list[bytes], code: str) -> None:
    key = stage.owner.key.encode()
    given = [(b"Authorization", value.replace(b"KEY", key)) for value in headers]
    with httpx.Client(base_url=stage.hub.address, trust_env=False) as client:
        for method, path in (("GET", "/v1/me"), ("POST", f"/v1/rooms/{stage.room_id}/messages")):
            body = b'{"content":"x"}' if method == "POST" else None
            answer = client.request(method, path, content=body, headers=given)
            check_answer(answer, 401, code)
            assert "Bearer" == answer.headers["www-authenticate"]
            assert stage.owner.key not in answer.text


def test_a_login_ticket_is_no_key_and_a_key_is_no_ticket(stage: Stage) -> None:
    made = stage.owner.client.post("/v1/tickets", json={"purpose": "ws"}).json()["data"]
    with httpx.Client(base_url=stage.hub.address, trust_env=False) as client:
        bearer = {"Authorization": f"Bearer {made['ticket']}"}
        check_answer(client.get("/v1/me", headers=bearer), 401, "AUTH_TOKEN_INVALID")
        for ticket in (made["ticket"], stage.owner.key):
            answer = client.post("/v1/login", json={"ticket": ticket})
            check_answer(answer, 401, "AUTH_TOKEN_INVALID")


@pytest.mark.parametrize("query", ["dry_run=yes", "dryrun=true", "colour=red"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/rooms/{room}/messages", {"content": "not for real"}),
        ("POST", "/v1/rooms", {"name": "Not for real"}),
        ("POST", "/v1/sessions", {"model": "builtin/echo"}),
        ("PATCH", "/v1/rooms/{room}", {"name": "Not for real"}),
        ("DELETE", "/v1/rooms/{room}", None),
        ("GET", "/v1/rooms/{room}", None),
        ("GET", "/v1/rooms/{room}/members", None),
        ("GET", "/v1/me", None),
        ("POST", "/v1/login", {"ticket": "rht_nope"}),
        ("POST", "/v1/runs/run_nope/reply", {"content": "x"}),
        ("POST", "/v1/runs/run_nope/deltas", {"offset": 0, "text": "x"}),
    ],
)
def test_a_query_parameter_that_a_call_does_not_have_is_refused(
    person: Person, method: str, path: str, body: Any, query: str
) -> None:
    room_id = add_room(person)
    head = head_of(person, room_id)
    url = f"{path.format(room=room_id)}?{query}"
    answer = person.client.request(method, url, json=body)
    assert 422 == answer.status_code
    assert [query.split("=")[0]] == [d["field"] for d in answer.json()["error"]["details"]]
    assert head == head_of(person, room_id)


def test_a_dry_run_stores_nothing(person: Person) -> None:
    room_id = add_room(person)
    head = head_of(person, room_id)
    path = f"/v1/rooms/{room_id}/messages?dry_run=true"
    person.client.post(path, json={"content": "not for real"})
    assert head == head_of(person, room_id)


@pytest.mark.parametrize("query", ["limit=0", "limit=1&limit=2", "limit=x"])
def test_the_members_list_keeps_the_rules_of_lists(person: Person, query: str) -> None:
    answer = person.client.get(f"/v1/rooms/{add_room(person)}/members?{query}")
    check_answer(answer, 422, INVALID, ["limit"])


@pytest.mark.parametrize("odd", ["{room}%00", "%00{room}", "{room}%00%00"])
def test_an_id_with_nul_is_a_missing_one(person: Person, odd: str) -> None:
    path = f"/v1/rooms/{odd.format(room=add_room(person))}"
    check_answer(person.client.get(path), 404, "ROOM_NOT_FOUND")


def test_a_slash_at_the_end_is_another_path(person: Person) -> None:
    check_answer(person.client.get("/v1/rooms/"), 404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/v1/rooms", "/v1/login", "/healthz"])
def test_405_says_what_is_allowed(person: Person, path: str) -> None:
    assert person.client.put(path).headers.get("allow")


@pytest.mark.parametrize("path", ["/v1/me", "/v1/nothing", "/v1/sessions/{session}/export"])
def test_an_answer_is_taken_for_what_it_is_and_kept_by_nobody(stage: Stage, path: str) -> None:
    headers = stage.owner.client.get(path.format(**stage.ids)).headers
    assert ("nosniff", "no-store") == (headers["x-content-type-options"], headers["cache-control"])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/search?q=x&room_id=room_%00", "room_id"),
        ("/v1/rooms/{room}/events?epoch=%00", "epoch"),
        ("/v1/search?q=x&before=", "before"),
    ],
)
def test_a_parameter_that_is_no_text_is_named(stage: Stage, path: str, name: str) -> None:
    answer = stage.owner.client.get(path.format(**stage.ids))
    check_answer(answer, 422, INVALID, [name])
