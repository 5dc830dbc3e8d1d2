"""Drafts: deltas that come twice, late, or not at all."""

from __future__ import annotations

from typing import Any

from hub.client.drafts import DRAFTS, Drafts

ROOM = "room_1"


def delta(offset: int, text: str, *, run: str = "run_1", attempt: int = 1) -> dict[str, Any]:
    return {
        "run_id": run,
        "message_id": run.replace("run", "msg"),
        "thread_id": "msg_root",
        "participant": {"type": "bot", "id": "bot_a"},
        "attempt": attempt,
        "offset": offset,
        "text": text,
    }


def text_of(drafts: Drafts, run: str = "run_1") -> str | None:
    draft = drafts.open.get(run)
    return draft.text if draft else None


def test_deltas_join() -> None:
    drafts = Drafts()
    first = drafts.delta(ROOM, delta(0, "one "))
    second = drafts.delta(ROOM, delta(4, "two"))
    assert first is not None and (0, "one ") == (first.offset, first.text)
    assert second is not None and (4, "two") == (second.offset, second.text)
    assert "one two" == second.draft.text == text_of(drafts)


def test_what_overlaps_is_cut_off_in_code_points() -> None:
    drafts = Drafts()
    drafts.delta(ROOM, delta(0, "👍é"))
    grew = drafts.delta(ROOM, delta(1, "é👩‍👧!"))
    assert grew is not None and "👩‍👧!" == grew.text
    assert "👍é👩‍👧!" == text_of(drafts)


def test_a_repeated_delta_adds_nothing() -> None:
    drafts = Drafts()
    drafts.delta(ROOM, delta(0, "one two"))
    assert drafts.delta(ROOM, delta(4, "two")) is None
    assert "one two" == text_of(drafts)


def test_a_gap_leaves_the_draft_as_it_is() -> None:
    drafts = Drafts()
    drafts.delta(ROOM, delta(0, "one"))
    assert drafts.delta(ROOM, delta(10, "late")) is None
    assert drafts.delta(ROOM, delta(3, " two")) is None
    assert "one" == text_of(drafts)


def test_a_snapshot_mends_a_gap() -> None:
    drafts = Drafts()
    drafts.delta(ROOM, delta(0, "one"))
    drafts.delta(ROOM, delta(10, "late"))
    grew = drafts.snapshot(ROOM, delta(7, "one two"))
    assert grew is not None and (3, " two") == (grew.offset, grew.text)
    after = drafts.delta(ROOM, delta(7, " three"))
    assert after is not None and "one two three" == after.draft.text


def test_a_snapshot_that_is_older_than_the_draft_adds_nothing_when_it_is_the_same() -> None:
    drafts = Drafts()
    drafts.delta(ROOM, delta(0, "one"))
    assert drafts.snapshot(ROOM, delta(3, "one")) is None
    assert "one" == text_of(drafts)


def test_a_delta_in_the_middle_of_an_unknown_reply_is_not_shown() -> None:
    drafts = Drafts()
    assert drafts.delta(ROOM, delta(5, "two")) is None
    assert not text_of(drafts)


def test_a_new_attempt_begins_again_and_the_lower_one_is_ignored() -> None:
    drafts = Drafts()
    drafts.delta(ROOM, delta(0, "first try"))
    grew = drafts.delta(ROOM, delta(0, "second", attempt=2))
    assert grew is not None and (0, "second") == (grew.offset, grew.draft.text)
    assert drafts.delta(ROOM, delta(9, " goes on")) is None
    assert "second" == text_of(drafts)


def test_a_lower_attempt_that_would_fit_adds_nothing() -> None:
    drafts = Drafts()
    drafts.delta(ROOM, delta(0, "second", attempt=2))
    assert drafts.delta(ROOM, delta(6, " of the first")) is None
    assert "second" == text_of(drafts)


def test_deltas_after_the_end_are_ignored() -> None:
    drafts = Drafts()
    drafts.delta(ROOM, delta(0, "one"))
    drafts.finish("msg_1")
    assert drafts.delta(ROOM, delta(3, " two")) is None
    assert drafts.snapshot(ROOM, delta(3, "one")) is None
    assert {} == drafts.open


def test_too_many_drafts_forget_the_oldest() -> None:
    drafts = Drafts()
    for number in range(DRAFTS + 1):
        drafts.delta(ROOM, delta(0, "text", run=f"run_{number}"))
    assert DRAFTS == len(drafts.open)
    assert "run_0" not in drafts.open


def test_a_room_that_is_forgotten_takes_its_drafts_along() -> None:
    drafts = Drafts()
    drafts.delta(ROOM, delta(0, "here", run="run_1"))
    drafts.delta("room_2", delta(0, "there", run="run_2"))
    drafts.forget_room(ROOM)
    assert ["run_2"] == list(drafts.open)
