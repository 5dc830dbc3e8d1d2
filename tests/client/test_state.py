"""What a client knows of its rooms: order, repetition, gaps, resuming."""

from __future__ import annotations

import random
from typing import Any

from hub.client.events import DraftGrew, Event, Joined, Left, Logged, Signalled
from hub.client.state import Cursor, Following
from hub.core.errors import Missing
from tests.client.test_drafts import delta

ROOM = "room_1"


def logged(seq: int, *, kind: str = "message.created", room: str = ROOM) -> dict[str, Any]:
    data = {"id": f"msg_{seq}", "message_id": "msg_1", "content": f"number {seq}"}
    return {"type": kind, "room_id": room, "seq": seq, "at": "now", "data": data}


def drafting(offset: int, text: str, **more: Any) -> dict[str, Any]:
    data = delta(offset, text, **more)
    return {"type": "message.delta", "room_id": ROOM, "at": "now", "data": data}


def reply(
    head: int, *, recovered: bool = False, epoch: str = "e1", drafts: list[Any] | None = None
) -> dict[str, Any]:
    return {
        "room_id": ROOM, "head": head, "epoch": epoch, "recovered": recovered,
        "drafts": drafts or [],
    }  # fmt: skip


def followed(head: int) -> Following:
    state = Following()
    state.join(reply(head), None)
    return state


def seqs(events: list[Event]) -> list[int]:
    return [event.seq for event in events if isinstance(event, Logged)]


def test_events_of_a_room_come_once_and_in_order() -> None:
    state = followed(4)
    handed = [state.apply(logged(seq)) for seq in (5, 5, 4, 6, 5, 7)]
    assert [5, 6, 7] == [seq for events in handed for seq in seqs(events)]
    assert not state.any_behind


def test_events_of_a_room_that_is_not_followed_are_left_out() -> None:
    state = Following()
    assert [] == state.apply(logged(1))
    assert [] == state.apply(drafting(0, "text"))


def test_a_gap_is_resumed_from_the_last_event_applied() -> None:
    state = followed(4)
    state.apply(logged(5))
    assert [] == state.apply(logged(8))
    assert state.any_behind
    assert [Cursor(ROOM, 5, "e1")] == state.take_behind()
    assert [] == state.apply(logged(9))
    assert [] == state.take_behind()
    state.join(reply(9, recovered=True), 5)
    assert [6, 7, 8, 9] == [s for n in (6, 7, 8, 9) for s in seqs(state.apply(logged(n)))]


def test_a_skipped_event_makes_its_room_behind_but_one_without_a_seq_does_not() -> None:
    state = followed(4)
    state.skip(drafting(0, "text"))
    state.skip(logged(3))
    assert not state.any_behind
    state.skip(logged(5))
    assert [Cursor(ROOM, 4, "e1")] == state.take_behind()


def test_after_a_cut_every_room_is_resumed_once() -> None:
    state = followed(4)
    state.apply(logged(5))
    state.cut()
    assert [Cursor(ROOM, 5, "e1")] == state.take_behind()
    assert [] == state.take_behind()
    state.cut()
    assert [Cursor(ROOM, 5, "e1")] == state.take_behind()


def test_joining_with_a_cursor_that_fits_goes_on_behind_it() -> None:
    state = Following()
    (joined,) = state.join(reply(9, recovered=True), 5)
    assert isinstance(joined, Joined) and not joined.missed
    assert [6] == seqs(state.apply(logged(6)))


def test_joining_with_a_cursor_that_does_not_fit_starts_at_the_head_and_says_so() -> None:
    state = followed(4)
    state.apply(drafting(0, "text", run="run_9"))
    state.cut()
    state.take_behind()
    (joined,) = state.join(reply(2_000, epoch="e2"), 4)
    assert isinstance(joined, Joined) and joined.missed
    assert {} == state.drafts
    assert [2_001] == seqs(state.apply(logged(2_001)))


def test_joining_without_a_cursor_misses_nothing() -> None:
    (joined,) = Following().join(reply(9), None)
    assert isinstance(joined, Joined) and not joined.missed


def test_drafts_told_when_joining_are_handed_on_and_grow() -> None:
    state = Following()
    _, grew = state.join(reply(3, drafts=[delta(3, "one")]), None)
    assert isinstance(grew, DraftGrew) and (0, "one") == (grew.offset, grew.text)
    (more,) = state.apply(drafting(2, "e two"))
    assert isinstance(more, DraftGrew) and (3, " two") == (more.offset, more.text)


def test_the_final_message_ends_its_draft() -> None:
    state = followed(0)
    state.apply(drafting(0, "text"))
    state.apply(logged(1))
    assert {} == state.drafts
    assert [] == state.apply(drafting(4, " more"))


def test_a_run_that_ends_without_a_message_ends_its_draft() -> None:
    state = followed(6)
    state.apply(drafting(0, "text"))
    state.apply(logged(7, kind="run.finished"))
    assert {} == state.drafts


def test_a_room_that_was_taken_away_is_left() -> None:
    state = followed(4)
    about = {"room_id": ROOM}
    events = state.apply({"type": "room.removed", "room_id": ROOM, "at": "now", "data": about})
    assert [Signalled, Left] == [type(event) for event in events]
    assert [] == state.apply(logged(5))
    state.cut()
    assert [] == state.take_behind()


def test_leaving_tells_why_and_only_once() -> None:
    state, error = followed(4), Missing("no such room")
    assert [Left(ROOM, error)] == state.leave(ROOM, error)
    assert [] == state.leave(ROOM)


def test_whatever_is_lost_or_repeated_resuming_hands_on_every_event_once_in_order() -> None:
    """A hub that loses, repeats and cuts at random, and replays from the cursor when asked."""
    for seed in range(200):
        dice = random.Random(seed)
        state, handed, head = followed(0), list[int](), 40
        for seq in range(1, head + 1):
            chance = dice.random()
            if chance < 0.1:
                continue
            sent = [seq, dice.randint(1, seq)] if chance < 0.3 else [seq]
            for number in sent:
                handed += seqs(state.apply(logged(number)))
            if chance > 0.9:
                state.cut()
            if dice.random() < 0.5:
                handed += replayed(state, seq)
        state.cut()
        handed += replayed(state, head)
        assert list(range(1, head + 1)) == handed, f"seed {seed}"


def replayed(state: Following, head: int) -> list[int]:
    found = []
    for cursor in state.take_behind():
        state.join(reply(head, recovered=True), cursor.since)
        for seq in range(cursor.since + 1, head + 1):
            found += seqs(state.apply(logged(seq)))
    return found


def test_who_is_there_comes_with_the_subscription_and_in_diffs() -> None:
    state = Following()
    here = {"count": 1, "participants": [{"type": "user", "id": "user_a"}]}
    (joined,) = state.join(reply(4) | {"presence": here}, None)
    assert isinstance(joined, Joined)
    assert here == joined.presence
    diff = {"joined": [], "left": [{"type": "user", "id": "user_a"}], "count": 0}
    event = {"type": "presence", "room_id": ROOM, "at": "now", "data": diff}
    assert [Signalled("presence", ROOM, "now", diff)] == state.apply(event)


def test_edits_deletions_and_reactions_are_entries_like_others_each_once() -> None:
    state = followed(4)
    kinds = ("message.updated", "reaction.added", "reaction.removed", "message.deleted")
    events = [logged(5 + n, kind=kind) for n, kind in enumerate(kinds)]
    got = [each for event in (*events, *events) for each in state.apply(event)]
    assert [(kind, 5 + n) for n, kind in enumerate(kinds)] == [
        (each.type, each.seq) for each in got if isinstance(each, Logged)
    ]
    assert len(kinds) == len(got)
