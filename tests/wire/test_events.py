"""`hub.wire.events`: one place that renders the log."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from hub.core.posts import LogEntry
from hub.core.values import Author, Message
from hub.wire.events import (
    ephemeral_frame,
    error_frame,
    event,
    event_frame,
    reply_frame,
    stored_frame,
)
from hub.wire.frames import bodies, frame
from tests.core.nouns import ALICE, AT_MS, message

AT = "2026-05-28T20:26:40.000Z"


def body_of(frames: bytes) -> Any:
    (body,) = bodies(frames)
    return orjson.loads(body)


def test_a_message_event_carries_the_message_as_it_is_now() -> None:
    entry = LogEntry("room_1", 4, "message.created", AT_MS, "msg_1")
    about = message("msg_1", ALICE, "hi")
    assert event(entry, about) == {
        "type": "message.created", "room_id": "room_1", "seq": 4, "at": AT,
        "data": about.as_dict(),
    }  # fmt: skip
    assert body_of(event_frame(entry, about)) == event(entry, about)


NEW = message("msg_1", ALICE, "hi")
CHANGES: dict[str, Any] = {
    "content": 'say "hi"\\\n\t\u2028 Zoë 🦜 \x7f',
    "author": Author("persona_o", "persona", "o", 'Zoë "O" \\'),
    "mention": ({"type": "user", "id": "user_bob"}, {"type": "bot", "id": "bot_x"}),
    "client_id": 'a"b', "thread_id": "msg_0", "created_ms": AT_MS + 1, "run_id": "run_1",
    "status": "interrupted", "edited_ms": AT_MS, "deleted_ms": AT_MS, "reply_count": 2,
    "last_reply_ms": AT_MS, "finish_reason": "stop", "usage": {"tokens": 1}, "tenant_id": "acme",
    "reactions": {"👍": ("user_bob",)}, "root_message_id": "msg_0",
}  # fmt: skip


@pytest.mark.parametrize("field", CHANGES)
def test_an_event_joined_from_pieces_is_the_event_byte_for_byte(field: str) -> None:
    about = NEW._replace(**{field: CHANGES[field]})
    entry = LogEntry("room_1", 4, "message.created", AT_MS, "msg_1")
    assert frame(orjson.dumps(event(entry, about))) == event_frame(entry, about)


def test_every_field_of_a_message_is_tried() -> None:
    same = {"id", "room_id", "seq"}
    assert {*Message._fields} - same == CHANGES.keys()


def test_only_what_a_post_makes_is_joined_from_pieces() -> None:
    entry = LogEntry("room_1", 9, "message.updated", AT_MS, "msg_1")
    assert "message.updated" == body_of(event_frame(entry, NEW))["type"]


def test_any_other_event_carries_its_own_data() -> None:
    entry = LogEntry("room_1", 5, "member.joined", AT_MS, "user_bob", {"id": "user_bob"})
    assert event(entry)["data"] == {"id": "user_bob"}
    assert event(LogEntry("room_1", 6, "message.deleted", AT_MS, "gone"))["data"] == {}


def test_an_ephemeral_event_has_no_seq() -> None:
    assert body_of(ephemeral_frame("typing", "room_1", AT_MS, {"a": 1})) == {
        "type": "typing", "room_id": "room_1", "at": AT, "data": {"a": 1}
    }  # fmt: skip


@pytest.mark.parametrize("command_id", [7, -1, 2**53, None, "", 'a "b" \\ \u20ac'])
def test_a_posts_reply_is_the_same_joined_from_pieces(command_id: Any) -> None:
    told = {"id": "msg_1", "seq": 5, "runs": []}
    assert stored_frame(command_id, "msg_1", 5) == reply_frame(command_id, told)


def test_a_reply_names_its_command_and_whether_it_went_well() -> None:
    assert body_of(reply_frame(7, {"seq": 1})) == {
        "type": "reply", "id": 7, "ok": True, "data": {"seq": 1}
    }  # fmt: skip
    assert body_of(error_frame(None, {"code": "X"})) == {
        "type": "reply", "id": None, "ok": False, "error": {"code": "X"}
    }  # fmt: skip
