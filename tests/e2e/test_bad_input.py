"""Whatever is wrong with a body is refused by name, and nothing of it is stored."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from tests.e2e.bad_bodies import BODIES, EURO, LONGEST, NOT_JSON, POSTS
from tests.e2e.encodings import ENCODINGS
from tests.e2e.people import Person, add_room
from tests.e2e.refusals import INVALID, Bad, Line, Stage, check, check_answer
from tests.support.hub import HubProcess

pytestmark = pytest.mark.usefixtures("nothing_is_stored")


def named_cases(cases: list[Bad]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bad", cases, ids=lambda bad: bad.name.replace(" ", "-"))


@named_cases(POSTS + NOT_JSON)
@pytest.mark.parametrize("path", ["messages", "messages/{message}/reply"], ids=["post", "reply"])
def test_a_bad_post_is_refused(stage: Stage, bad: Bad, path: str) -> None:
    url = f"/v1/rooms/{stage.room_id}/{path.format(**stage.ids)}"
    answer = stage.owner.client.post(
        url, content=bad.text.encode(), headers={"content-type": "application/json"}
    )
    check_answer(answer, bad.status, bad.code, bad.fields)


@named_cases(POSTS)
def test_a_bad_post_is_refused_on_the_socket(stage: Stage, line: Line, bad: Bad) -> None:
    head = {"id": bad.name, "type": "post", "room_id": stage.room_id}
    error = line.refusal(head | bad.body, about=bad.name)
    check(error, bad.code, bad.fields)


@named_cases(NOT_JSON)
@pytest.mark.parametrize("encoding", ENCODINGS[:1], ids=["json"], indirect=True)
def test_a_frame_that_is_no_json_object_is_refused_and_the_socket_stays_open(
    line: Line, bad: Bad
) -> None:
    check(line.answer_to(bad.text), INVALID, [])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x81\xa4type",
        b"\x82\xa4type\xa4ping\xa4type\xa4ping\x00",
        b"\x92\x01\x02",
        b"\x07",
        b"\x81\x01\xa4ping",
        b"\x81\xc4\x04type\xa4ping",
        b"\x81\xa4type\xa4\xffing",
        b"\x81\xa4type\xd4\x05\x00",
        b"\x91" * 60_000,
        b"\x81\xa1a" * 40 + b"\x01",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b'{"id":1,"type":"ping"}',
    ],
    ids=["empty", "reserved", "cut", "trailing", "array", "number", "number-key", "bytes-key",
         "not-utf8", "extension", "deep", "deep-map", "huge-map", "huge-array", "huge-bytes",
         "json"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ENCODINGS[1:], ids=["msgpack"], indirect=True)
def test_a_frame_that_is_no_msgpack_map_is_refused_and_the_socket_stays_open(
    line: Line, data: bytes
) -> None:
    check(line.answer_to(data), INVALID, [])


@pytest.mark.parametrize("field", ["content", "room_id", "type"])
@pytest.mark.parametrize("encoding", ENCODINGS[1:], ids=["msgpack"], indirect=True)
def test_bytes_and_times_are_no_text(stage: Stage, line: Line, field: str) -> None:
    post = {"id": 1, "type": "post", "room_id": stage.room_id, "content": "x"}
    for value in (b"x", msgpack.Timestamp(1, 2)):
        check(line.refusal(post | {field: value}, about=1), INVALID, [field])


@pytest.mark.parametrize(
    "data",
    [
        b'{"content":"\xff"}',
        b'{"content":"\xc0\xaf"}',
        b'{"content":"\xed\xa0\x80"}',
        b'{"content":"\xf4\x90\x80\x80"}',
        b'{"content":"\xe2\x82"}',
        '{"content":"x"}'.encode("utf-16"),
        b"\x80\x81\xa7content\xa1x",
        b"\x00",
    ],
    ids=["stray", "overlong", "surrogate", "beyond", "cut", "utf-16", "msgpack", "nul"],
)
def test_bytes_that_are_not_utf8_json_are_refused(stage: Stage, data: bytes) -> None:
    answer = stage.owner.client.post(
        f"/v1/rooms/{stage.room_id}/messages",
        content=data,
        headers={"content-type": "application/json"},
    )
    check_answer(answer, 422, INVALID)


@pytest.mark.parametrize(
    ("method", "path", "bad"),
    [
        pytest.param(method, path, bad, id=f"{method} {path} {bad.name}".replace(" ", "-"))
        for method, path, cases in BODIES
        for bad in cases
    ],
)
def test_a_bad_body_is_refused(stage: Stage, method: str, path: str, bad: Bad) -> None:
    answer = stage.owner.client.request(
        method,
        path.format(**stage.ids),
        content=bad.text.encode(),
        headers={"content-type": "application/json"},
    )
    check_answer(answer, bad.status, bad.code, bad.fields)


# Limits that are kept to the byte.


@pytest.mark.parametrize(
    "content",
    ["x" * LONGEST, "xx" + EURO * (LONGEST // 3), "😀" * (LONGEST // 4)],
    ids=["ascii", "euro", "emoji"],
)
def test_content_of_32768_bytes_is_stored_as_it_is(
    hub: HubProcess, person: Person, content: str
) -> None:
    assert LONGEST == len(content.encode())
    path = f"/v1/rooms/{add_room(person)}/messages"
    posted = person.client.post(path, json={"content": content})
    assert 201 == posted.status_code
    read = person.client.get(f"{path}/{posted.json()['data']['id']}")
    assert content == read.json()["data"]["content"]


@pytest.mark.parametrize(
    "content",
    ["\u202eright to left", "a\u0300" * 50, "\ufffe\uffff", "\u200d", "<b>&amp;</b>", "\x1b[31m"],
    ids=["bidi", "combining", "noncharacters", "joiner", "markup", "ansi"],
)
def test_strange_but_valid_text_is_stored_as_it_is(person: Person, content: str) -> None:
    room_id = add_room(person)
    path = f"/v1/rooms/{room_id}/messages"
    person.client.post(path, json={"content": content}).raise_for_status()
    assert content == person.client.get(path).json()["data"]["items"][0]["content"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "0.5"),
        ("temperature", True),
        ("top_p", "1"),
        ("top_p", True),
        ("stop", 5),
        ("stop", {}),
        ("stop", [5]),
        ("stop", ["a\0"]),
        ("stop", [""]),
        ("stop", ""),
    ],
)
def test_a_bad_sampling_field_is_refused_by_its_own_name(
    person: Person, field: str, value: Any
) -> None:
    made = person.client.post("/v1/sessions", json={"model": "builtin/echo"}).json()["data"]
    path = f"/v1/sessions/{made['id']}"
    answer = person.client.post(f"{path}/messages", json={"content": "x", field: value})
    assert 422 == answer.status_code
    fields = [detail["field"] for detail in answer.json()["error"]["details"]]
    assert [field] == [name.partition("[")[0] for name in fields]
    assert 0 == person.client.get(path).json()["data"]["message_count"]
