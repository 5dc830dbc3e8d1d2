"""`hub.core.values`: the shapes that clients see, as the contract lists them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from hub.core.values import ApiKey, Participant

from .nouns import ALICE, AT_MS, ELIZA, member, message, room, run

AT = "2026-05-28T20:26:40.000Z"


def test_a_room_has_the_fields_of_the_contract() -> None:
    assert room("room_1").as_dict() == {
        "id": "room_1", "kind": "room", "name": "Design", "description": "", "private": True,
        "created_at": AT, "created_by": "user_alice", "archived_at": None, "head": 0,
        "epoch": "e1", "settings": {},
    }  # fmt: skip


def test_a_member_has_the_fields_of_the_contract() -> None:
    assert member(ALICE, "owner").as_dict() == {
        "type": "user", "id": "user_alice", "handle": "alice", "name": "Alice", "role": "owner",
        "engagement": "mention", "joined_at": AT,
    }  # fmt: skip


def test_a_message_has_the_fields_of_the_contract() -> None:
    assert message("msg_1", ALICE, "hi").as_dict() == {
        "id": "msg_1", "room_id": "room_1", "seq": 1, "thread_id": None,
        "author": {"type": "user", "id": "user_alice", "handle": "alice", "name": "Alice"},
        "content": "hi", "mention": [], "created_at": AT, "edited_at": None, "deleted_at": None,
        "reply_count": 0, "last_reply_at": None, "reactions": {}, "client_id": None,
        "run_id": None, "status": "final",
    }  # fmt: skip


def test_a_deleted_message_shows_no_content_anywhere() -> None:
    deleted = message("msg_1", ALICE, "secret")._replace(deleted_ms=AT_MS)
    assert (deleted.as_dict()["content"], deleted.as_dict()["deleted_at"]) == ("", AT)


def test_a_run_has_the_fields_of_the_contract() -> None:
    assert set(run("run_1").as_dict()) == {
        "id", "room_id", "participant", "trigger_message_id", "generation", "state", "reason",
        "attempt", "depth", "root_message_id", "reply_message_id", "usage", "context",
        "created_at", "started_at", "first_delta_at", "finished_at", "error",
        "warning",
    }  # fmt: skip
    assert run("run_1").as_dict()["participant"] == {"type": "persona", "id": "persona_eliza"}


def test_a_key_never_shows_its_secret() -> None:
    key = ApiKey("key_1", "acme", "user_alice", "laptop", "tenant_user", AT_MS, None, None)
    assert set(key.as_dict()) == {
        "id", "name", "participant_id", "role", "scopes", "created_at", "expires_at", "revoked_at",
        "last_used_at",
    }  # fmt: skip


def test_a_participant_shows_its_driver() -> None:
    driver = {"kind": "model", "model": "builtin/eliza"}
    eliza = Participant("acme", ELIZA.id, "persona", "eliza", "Eliza", driver, AT_MS)
    assert eliza.as_dict() == {
        "type": "persona", "id": "persona_eliza", "handle": "eliza", "name": "Eliza",
        "driver": driver, "created_at": AT, "disabled_at": None,
    }  # fmt: skip


def test_everybody_but_a_user_is_an_ai() -> None:
    assert [ALICE._replace(type=t).is_ai for t in ("user", "bot", "agent", "persona")] == [
        False, True, True, True,
    ]  # fmt: skip


def test_values_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ALICE.name = "Mallory"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        member(ALICE).role = "owner"  # type: ignore[misc]
