"""Commands that are wrong are refused by name, and the socket stays open."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.encodings import ENCODINGS
from tests.e2e.refusals import BOT, INVALID, MISSING_ROOM, Line, Stage, check

pytestmark = pytest.mark.usefixtures("nothing_is_stored")


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("subscribe", {}),
        ("subscribe", {"since": 0}),
        ("post", {"content": "x"}),
        ("post", {"content": "x", "mention": [BOT]}),
        ("post", {"content": "x", "thread_id": "msg_x"}),
        ("typing", {}),
    ],
)
def test_a_foreign_room_answers_like_a_missing_one_on_the_socket(
    stage: Stage, line: Line, command: str, fields: dict[str, Any]
) -> None:
    errors = [
        line.refusal({"id": 1, "type": command, "room_id": room_id} | fields, about=1)
        for room_id in (stage.foreign_id, MISSING_ROOM)
    ]
    check(errors[0], "ROOM_NOT_FOUND", [])
    assert errors[0] == errors[1]


def test_one_foreign_room_among_several_refuses_the_whole_subscription(
    stage: Stage, line: Line
) -> None:
    rooms = [{"room_id": stage.room_id}, {"room_id": stage.foreign_id}]
    command = {"id": 1, "type": "subscribe", "rooms": rooms}
    check(line.refusal(command, about=1), "ROOM_NOT_FOUND", ["rooms[1].room_id"])
    typing = {"id": 2, "type": "typing", "room_id": stage.room_id}
    check(line.refusal(typing, about=2), "ROOM_NOT_FOUND", [])


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ({"type": "fly"}, ["type"]),
        ({"type": "POST"}, ["type"]),
        ({"type": None}, ["type"]),
        ({"type": ["ping"]}, ["type"]),
        ({}, ["type"]),
        ({"type": "ping", "now": 1}, ["now"]),
        ({"type": "subscribe", "room_id": 5}, ["room_id"]),
        ({"type": "subscribe", "room_id": ""}, ["room_id"]),
        ({"type": "subscribe"}, ["room_id"]),
        ({"type": "subscribe", "room_id": "ROOM", "since": -1}, ["since"]),
        ({"type": "subscribe", "room_id": "ROOM", "since": 1.5}, ["since"]),
        ({"type": "subscribe", "room_id": "ROOM", "since": 1.0}, ["since"]),
        ({"type": "subscribe", "room_id": "ROOM", "since": "1"}, ["since"]),
        ({"type": "subscribe", "room_id": "ROOM", "since": True}, ["since"]),
        ({"type": "subscribe", "room_id": "ROOM", "since": 2**53 + 1}, ["since"]),
        ({"type": "subscribe", "room_id": "ROOM", "epoch": 5}, ["epoch"]),
        ({"type": "subscribe", "rooms": []}, ["rooms"]),
        ({"type": "subscribe", "rooms": ["ROOM"]}, ["rooms[0]"]),
        ({"type": "subscribe", "rooms": [{"room_id": "ROOM", "since": -1}]}, ["rooms[0].since"]),
        ({"type": "subscribe", "room_id": "ROOM", "rooms": [{"room_id": "ROOM"}]}, ["room_id"]),
        ({"type": "unsubscribe"}, ["room_id"]),
        ({"type": "typing", "room_id": "ROOM", "thread_id": 5}, ["thread_id"]),
        ({"type": "post", "content": "x"}, ["room_id"]),
        ({"type": "subscribe", "room_id": "room_\0"}, ["room_id"]),
        ({"type": "post", "room_id": "ROOM", "content": "x", "thread_id": "\0"}, ["thread_id"]),
        ({"type": "edit", "message_id": "msg_\0", "content": "x"}, ["message_id"]),
        ({"type": "cancel", "run_id": "run_\0"}, ["run_id"]),
        ({"type": "run.fail", "run_id": "run_1", "message": "a\0b"}, ["message"]),
        ({"type": "auth"}, ["token"]),
        ({"type": "auth", "token": 5}, ["token"]),
    ],
)
def test_a_bad_command_is_refused_and_the_socket_stays_open(
    stage: Stage, line: Line, command: dict[str, Any], fields: list[str]
) -> None:
    text = json.dumps({"id": 7} | command).replace("ROOM", stage.room_id)
    check(line.refusal(json.loads(text), about=7), INVALID, fields)


def test_a_refused_refresh_leaves_the_caller_as_it_was(stage: Stage, line: Line) -> None:
    wrong = {"id": 1, "type": "auth", "token": "rhk_nobody_nothing"}
    check(line.refusal(wrong, about=1), "AUTH_TOKEN_INVALID", [])
    foreign = {"id": 2, "type": "auth", "token": stage.other.key}
    check(line.refusal(foreign, about=2), INVALID, ["token"])


def test_a_frame_of_the_other_kind_is_refused(line: Line) -> None:
    other = "{}" if line.encoding.name == "msgpack" else b'{"id":1,"type":"ping"}'
    error = line.answer_to(other)
    check(error, INVALID, [])
    assert ("binary" if isinstance(other, str) else "text") in error["message"]


@pytest.mark.parametrize("encoding", ENCODINGS[:1], ids=["json"], indirect=True)
@pytest.mark.parametrize(("since", "about", "fields"), [(2**64, 7, ["since"]), (10**400, None, [])])
def test_a_number_beyond_all_bounds_is_refused(
    line: Line, since: int, about: int | None, fields: list[str]
) -> None:
    text = '{"id":7,"type":"subscribe","room_id":"room_x","since":%d}'
    check(line.answer_to(text % since, about), INVALID, fields)


@pytest.mark.parametrize("number", [1.5, [], {}, True])
def test_a_bad_command_id_is_named_id(line: Line, number: Any) -> None:
    error = line.refusal({"id": number, "type": "ping"}, about=None)
    check(error, INVALID, ["id"])


def test_the_socket_is_still_there(line: Line) -> None:
    """The last on the shared socket: none of the above has closed it."""
    try:
        line.say({"id": 1, "type": "ping"})
        assert line.recv()["ok"]
    except ConnectionClosed as closed:
        pytest.fail(f"closed: {closed}")
