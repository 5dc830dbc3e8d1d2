"""`hub.wire.requests`: the limits of the contract, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.errors import Invalid
from hub.core.text import CONTENT_BYTES, METADATA_BYTES, PROMPT_BYTES
from hub.wire.bodies import Body, parse_object, validate
from hub.wire.requests import (
    ChangeRoom,
    ChangeSession,
    CreateKey,
    CreateParticipant,
    CreateRoom,
    CreateSession,
    MarkRead,
    MemberChange,
    NewMember,
    PostMessage,
    SendMessage,
    given,
)

BOB = {"type": "user", "id": "user_bob"}


def at_fault(model: type[Body], value: dict[str, Any]) -> str:
    """The first field that is refused."""
    with pytest.raises(Invalid) as caught:
        validate(model, value)
    return caught.value.details[0].field


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (CreateRoom, {"name": "x" * 200, "description": "😀" * 2_000}),
        (CreateRoom, {"name": "a", "initial_members": [BOB] * 500}),
        (PostMessage, {"content": "€" * (CONTENT_BYTES // 3), "mention": [BOB] * 50}),
        (PostMessage, {"content": "a", "client_id": "x" * 200}),
        (CreateSession, {"model": "m", "title": None, "system_prompt": "x" * PROMPT_BYTES}),
        (CreateSession, {"model": "m", "metadata": {"a": "x" * (METADATA_BYTES - 8)}}),
        (SendMessage, {"content": "a", "temperature": 0, "top_p": 1, "stop": "END"}),
        (SendMessage, {"content": "a", "temperature": 2.0, "stop": ["a", "b", "c", "d"]}),
        (CreateParticipant, {"type": "bot", "id": "bot_1", "name": "B", "handle": "b-1_"}),
        (CreateKey, {"name": "k", "expires_at": "2030-01-31T12:00:00+02:00"}),
        (NewMember, {"type": "user", "id": "user_" + "a" * 64, "role": "guest"}),
    ],
)
def test_what_the_contract_allows_passes(model: type[Body], value: dict[str, Any]) -> None:
    validate(model, value)


@pytest.mark.parametrize(
    ("model", "value", "field"),
    [
        (CreateRoom, {"name": ""}, "name"),
        (CreateRoom, {"name": " \t"}, "name"),
        (CreateRoom, {"name": "x" * 201}, "name"),
        (CreateRoom, {"name": "a\0b"}, "name"),
        (CreateRoom, {"name": "a", "description": "x" * 2_001}, "description"),
        (CreateRoom, {"name": "a", "private": "yes"}, "private"),
        (CreateRoom, {"name": "a", "initial_members": [BOB] * 501}, "initial_members"),
        (CreateRoom, {"name": "a", "initial_members": [BOB, BOB, {"type": "user", "id": "bob"}]},
         "initial_members[2].id"),
        (CreateRoom, {"name": "a", "initial_members": [{"type": "bot", "id": "user_bob"}]},
         "initial_members[0].id"),
        (CreateRoom, {"name": "a", "initial_members": [BOB | {"role": "king"}]},
         "initial_members[0].role"),
        (PostMessage, {"content": ""}, "content"),
        (PostMessage, {"content": "x" * (CONTENT_BYTES + 1)}, "content"),
        (PostMessage, {"content": "a", "mention": [BOB] * 51}, "mention"),
        (PostMessage, {"content": "a", "mention": [{"type": "user"}]}, "mention[0].id"),
        (PostMessage, {"content": "a", "client_id": ""}, "client_id"),
        (PostMessage, {"content": "a", "client_id": "x" * 201}, "client_id"),
        (PostMessage, {"content": "a", "client_id": "\0"}, "client_id"),
        (MarkRead, {"seq": 1, "thread_id": "msg_\0"}, "thread_id"),
        (CreateKey, {"name": "k", "participant_id": "user_\0"}, "participant_id"),
        (CreateParticipant, {"type": "bot", "id": "bot_1", "name": "B",
                             "driver": {"kind": "model", "model": "m\0"}}, "driver.model"),
        (CreateSession, {}, "model"),
        (CreateSession, {"model": ""}, "model"),
        (CreateSession, {"model": "m", "system_prompt": "x" * (PROMPT_BYTES + 1)}, "system_prompt"),
        (CreateSession, {"model": "m", "metadata": {"a": "x" * METADATA_BYTES}}, "metadata"),
        (CreateSession, {"model": "m", "metadata": {"a": 2**53 + 1}}, "metadata"),
        (CreateSession, {"model": "m", "metadata": {"a": "\0"}}, "metadata"),
        (CreateSession, {"model": "m", "metadata": []}, "metadata"),
        (ChangeSession, {"status": "open"}, "status"),
        (SendMessage, {"content": "a", "temperature": 2.1}, "temperature"),
        (SendMessage, {"content": "a", "top_p": 0}, "top_p"),
        (SendMessage, {"content": "a", "max_tokens": 0}, "max_tokens"),
        (SendMessage, {"content": "a", "max_tokens": 1.0}, "max_tokens"),
        (SendMessage, {"content": "a", "stop": 5}, "stop"),
        (SendMessage, {"content": "a", "stop": ["x"] * 5}, "stop"),
        (SendMessage, {"content": "a", "stop": ["x", 5]}, "stop[1]"),
        (CreateParticipant, {"type": "bot", "id": "bot_1", "name": "B", "handle": "B!"}, "handle"),
        (CreateParticipant, {"type": "user", "id": "user_1", "name": "U",
                             "driver": {"kind": "model", "model": "m"}}, "driver"),
        (CreateParticipant, {"type": "bot", "id": "bot_1", "name": "B",
                             "driver": {"kind": "spell", "model": "m"}}, "driver.kind"),
        (CreateKey, {"name": "k", "expires_at": "2030-01-31"}, "expires_at"),
        (CreateKey, {"name": "k", "expires_at": "2030-01-31T12:00:00"}, "expires_at"),
        (CreateKey, {"name": "k", "role": "root"}, "role"),
    ],
)  # fmt: skip
def test_what_goes_beyond_it_is_named(model: type[Body], value: dict[str, Any], field: str) -> None:
    assert at_fault(model, value) == field


def test_an_integer_that_json_could_not_carry_is_refused_in_metadata() -> None:
    body = parse_object(b'{"model":"m","metadata":{"a":%d}}' % 2**64)
    assert at_fault(CreateSession, body) == "metadata"


def test_a_new_member_is_a_member_that_answers_mentions() -> None:
    member = validate(NewMember, BOB)
    assert (member.role, member.engagement) == ("member", "mention")


def test_a_patch_knows_null_from_not_given() -> None:
    body = validate(ChangeSession, {"title": None})
    assert given(body, nullable=("title",)) == {"title": None}
    with pytest.raises(Invalid, match="title: must not be null"):
        given(body)
    assert given(validate(ChangeRoom, {})) == {}
    assert given(validate(MemberChange, {"role": "admin"})) == {"role": "admin"}


def test_a_body_cannot_be_changed_after_it_was_checked() -> None:
    body = validate(PostMessage, {"content": "a"})
    with pytest.raises(ValueError):
        body.content = ""  # type: ignore[misc]
