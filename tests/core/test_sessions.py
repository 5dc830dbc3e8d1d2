"""`hub.core.sessions`: sessions as people see them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.core.sessions import (
    TITLE_CHARS,
    markdown_head,
    markdown_message,
    session_message,
    title_from,
)
from hub.core.values import Author, Session

from .nouns import ALICE, AT_MS, BOB, ELIZA, message

AT = "2026-05-28T20:26:40.000Z"
SESSION = Session(
    id="sess_1", tenant_id="acme", owner="user_alice", participant_id="persona_eliza", model="m",
    title=None, system_prompt=None, metadata={}, status="active", handling="ai", message_count=2,
    created_ms=AT_MS, updated_ms=AT_MS,
)  # fmt: skip


def test_a_session_has_the_fields_of_the_contract() -> None:
    assert {
        "id", "model", "title", "system_prompt", "metadata", "status", "handling", "owner",
        "created_at", "updated_at", "message_count",
    } <= set(SESSION.as_dict())  # fmt: skip
    assert replace(SESSION, deleted_ms=AT_MS).as_dict()["deleted_at"] == AT


def test_a_session_says_since_when_it_waits_and_which_room_it_became() -> None:
    assert SESSION.as_dict()["queue"] is None
    waiting = replace(SESSION, waiting_ms=AT_MS, waiting_for="help")
    assert {"since": AT, "message": "help"} == waiting.as_dict()["queue"]
    assert "room_id" not in SESSION.as_dict()
    became = replace(SESSION, promoted={"room_id": "room_1", "head": 3})
    assert ("room_1", "room_1") == (became.as_dict()["room_id"], became.room_id)


@pytest.mark.parametrize(("author", "role"), [(ALICE, "user"), (ELIZA, "assistant")])
def test_a_session_message_says_the_role_of_its_author(author: Author, role: str) -> None:
    shown = session_message(message("msg_1", ALICE, "hi")._replace(author=author), SESSION)
    assert shown == {
        "id": "msg_1", "seq": 1, "role": role, "content": "hi", "created_at": AT,
        "status": "final",
    }  # fmt: skip


def test_a_person_who_helps_is_shown_by_name() -> None:
    shown = session_message(message("msg_1", BOB, "hi"), SESSION)
    assert ("human_agent", "Bob") == (shown["role"], shown["author"]["name"])


def test_a_deleted_message_shows_no_content() -> None:
    deleted = message("msg_1", ALICE, "secret")._replace(deleted_ms=AT_MS)
    assert session_message(deleted, SESSION)["content"] == ""


def test_a_reply_in_a_session_says_how_it_ended_and_what_it_used() -> None:
    reply = message("m", ELIZA, "hi")._replace(finish_reason="stop", usage={"prompt_tokens": 3})
    shown = session_message(reply, SESSION)
    assert (shown["finish_reason"], shown["usage"]) == ("stop", {"prompt_tokens": 3})
    stopped = message("m", ELIZA, "hi")._replace(status="cancelled")
    assert "cancelled" == session_message(stopped, SESSION)["finish_reason"]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Plan a trip", "Plan a trip"),
        ("  # Plan\n\n* a `trip`  ", "Plan a trip"),
        ("```\n```", "Untitled"),
        ("x" * 500, "x" * (TITLE_CHARS - 1) + "…"),
        ("word " * 50, "word " * 10 + "word…"),
    ],
)
def test_a_title_is_made_of_the_first_words(text: str, title: str) -> None:
    assert title == title_from(text)
    assert len(title_from(text)) <= TITLE_CHARS


def test_an_export_has_everything_that_was_said_in_order() -> None:
    said = [
        message("m1", ALICE, "What is *this*?"),
        message("m2", ELIZA, "A half")._replace(status="cancelled"),
        message("m3", BOB, "I help."),
    ]
    session = replace(SESSION, title="T", system_prompt="Be brief.")
    text = markdown_head(session) + "".join(markdown_message(each, session) for each in said)
    places = [
        text.index(part)
        for part in (
            "# T\n", "Session: sess_1", "Model: m", "Be brief.", f"## User ({AT})",
            "What is *this*?", f"## Assistant ({AT}, cancelled)", "A half",
            f"## Human agent Bob ({AT})", "I help.",
        )
    ]  # fmt: skip
    assert places == sorted(places)
