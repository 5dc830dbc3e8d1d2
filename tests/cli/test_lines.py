"""`hub.cli.lines`: every entry of a log has words, and none commands a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from hub.cli.lines import line_of
from hub.gateway.docs.shapes import EVENTS

AT = "2030-01-31T12:00:01.123Z"
LOGGED = {kind: shape for kind, shape in EVENTS.items() if shape.where == "log"}


def message(content: str, **changes: Any) -> dict[str, Any]:
    author = {"type": "bot", "id": "bot_a", "handle": "a", "name": "Reviewer"}
    about = {"author": author, "content": content, "thread_id": None, "deleted_at": None}
    return about | {"status": "final"} | changes


def shown(content: str, **changes: Any) -> str:
    return str(line_of("message.created", AT, message(content, **changes)))


def test_a_message_has_its_time_its_author_and_its_text() -> None:
    assert "2030-01-31 12:00:01  Reviewer: hello" == shown("hello")
    assert "2030-01-31 12:00:01    ↳ Reviewer: hello" == shown("hello", thread_id="msg_0")


def test_further_lines_of_a_text_are_indented() -> None:
    assert f"2030-01-31 12:00:01  Reviewer: a\n{' ' * 21}b" == shown("a\r\nb\n")


def test_what_did_not_end_well_says_so() -> None:
    assert shown("half", status="failed").endswith("Reviewer: half [failed]")
    assert shown("", deleted_at=AT).endswith("Reviewer: (deleted)")


def test_what_was_said_cannot_command_a_terminal() -> None:
    told = shown("\x1b[31mred\x07\x9b2J\u202e", author=message("")["author"] | {"name": "A\nB\x1b"})
    assert told.endswith("A\ufffdB\ufffd: \ufffd[31mred\ufffd\ufffd2J\ufffd")
    assert "👩‍🚀" in shown("👩‍🚀")


@pytest.mark.parametrize("kind", LOGGED)
def test_every_event_of_the_log_has_words_of_its_own(kind: str) -> None:
    for sample in LOGGED[kind].samples:
        line = line_of(kind, AT, sample)
        assert line is not None
        assert line.lead.startswith("2030-01-31 12:00:01  ")
        assert kind not in str(line)


def test_a_reply_that_came_needs_no_word_about_its_run_and_any_other_end_does() -> None:
    (run, *_) = LOGGED["run.finished"].samples
    assert line_of("run.finished", AT, run | {"state": "succeeded"}) is None
    told = str(line_of("run.finished", AT, run | {"state": "failed", "error": {"message": "no"}}))
    assert "bot_x did not answer: failed (no)" in told


def test_an_event_of_a_later_hub_is_named() -> None:
    assert "· room.painted" in str(line_of("room.painted", AT, {}))
