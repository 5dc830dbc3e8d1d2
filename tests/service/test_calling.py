"""`hub.service.calling`: whom a message speaks to, whom it asks, and who is held back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hub.core.governor import Budget
from hub.core.values import Member, RoomView
from hub.service.calling import (
    OBSERVES,
    OUT_OF_USE,
    PAUSED,
    Speech,
    foreseen,
    held_back,
    speech,
    unanswered,
)
from tests.support.parts import ELIZA, author, member, room

SECOND = "persona_second"
ALICE_ID, OWN = "user_alice", "bot_own"


def view(*members: Member, **settings: Any) -> RoomView:
    everybody = members or tuple(member(each) for each in (ALICE_ID, OWN, ELIZA, SECOND))
    return RoomView(room(settings=settings), {each.author.id: each for each in everybody})


def said(
    seen: RoomView, content: str, *named: str, by: str = ALICE_ID, in_thread: bool = False
) -> Speech:
    numbers = iter(range(100))
    return speech(seen, by, content, named, in_thread, {}, lambda kind: f"{kind}_{next(numbers)}")


def asked(spoken: Speech) -> list[str]:
    return [summons.participant_id for summons in spoken.summons]


def test_who_is_named_and_who_is_called_by_handle_is_asked_once() -> None:
    spoken = said(view(), "@eliza and @second and @own, @nobody", ELIZA)
    assert [ELIZA, SECOND] == asked(spoken)
    assert (ELIZA, SECOND, OWN) == spoken.calls
    assert [ELIZA, SECOND, OWN] == [each["id"] for each in spoken.mention]


def test_nobody_calls_itself() -> None:
    spoken = said(view(), "@eliza asks @second", by=ELIZA)
    assert ([SECOND], (SECOND,)) == (asked(spoken), spoken.calls)


def test_ais_answer_each_other_only_when_they_are_called_by_name() -> None:
    seen = view(member(ALICE_ID), member(ELIZA, engagement="always"), member(SECOND))
    assert [ELIZA] == asked(said(seen, "hello"))
    assert [] == asked(said(seen, "hello", by=SECOND))
    assert [ELIZA] == asked(said(seen, "hello @eliza", by=SECOND))


def test_an_observer_is_held_back_when_called_and_not_asked_when_it_listens() -> None:
    watching = member(ELIZA, "observer", "always")
    seen = view(member(ALICE_ID), watching)
    (summons,) = said(seen, "@eliza?").summons
    assert OBSERVES == summons.held == held_back(seen, watching)
    assert () == said(seen, "hello").summons
    (silent,) = foreseen(seen, ALICE_ID, ())["would_not_run"]
    assert OBSERVES == silent["reason"]


def test_who_is_out_of_use_is_held_back_when_called_and_not_asked_otherwise() -> None:
    """With a driver or without: a bot that dials in by itself is gone with its keys."""
    gone = [replace(member(each, engagement="always"), driven=False, disabled=True)
            for each in (ELIZA, OWN)]  # fmt: skip
    seen = view(member(ALICE_ID), replace(member("user_bob"), disabled=True), *gone)
    spoken = said(seen, "@eliza, @own and @bob?")
    assert [(ELIZA, OUT_OF_USE), (OWN, OUT_OF_USE)] == [
        (each.participant_id, each.held) for each in spoken.summons
    ]
    assert 3 == len(spoken.mention)
    assert () == said(seen, "hello", in_thread=True).summons
    silent = foreseen(seen, ALICE_ID, ())["would_not_run"]
    assert [OUT_OF_USE] * 2 == [each["reason"] for each in silent]
    off = view(member(ALICE_ID), replace(gone[0], engagement="off"))
    assert () == said(off, "@eliza?").summons


def test_a_session_is_unanswered_when_its_model_is_out_of_use_and_no_person_has_it() -> None:
    def of(*members: Member, kind: str = "session") -> RoomView:
        return RoomView(room(kind=kind), {each.author.id: each for each in members})

    alice, model = member(ALICE_ID), member(ELIZA, engagement="always")
    gone = replace(model, driven=False, disabled=True)
    assert unanswered(of(alice, gone), ALICE_ID, ())
    assert unanswered(of(alice, replace(model, driven=False)), ALICE_ID, ())
    assert not unanswered(of(alice, gone, kind="room"), ALICE_ID, ())
    assert not unanswered(of(alice, replace(gone, engagement="off")), ALICE_ID, ())
    assert not unanswered(of(alice, gone), ELIZA, ())
    asked = of(alice, model)
    assert not unanswered(asked, ALICE_ID, said(asked, "hello").summons)


def test_in_a_paused_room_whoever_is_called_is_held_back() -> None:
    (summons,) = said(view(paused=True), "@eliza?").summons
    assert PAUSED == summons.held
    assert said(view(paused=False), "@eliza?").summons[0].held is None


def test_who_is_off_is_spoken_to_and_not_asked() -> None:
    spoken = said(view(member(ALICE_ID), member(ELIZA, engagement="off")), "@eliza?")
    assert ((), (ELIZA,)) == (spoken.summons, spoken.calls)


def test_who_follows_threads_is_asked_in_threads_and_must_have_taken_part() -> None:
    seen = view(member(ALICE_ID), member(ELIZA, engagement="thread"))
    assert () == said(seen, "hello").summons
    (listening,) = said(seen, "hello", in_thread=True).summons
    (called,) = said(seen, "hello @eliza", in_thread=True).summons
    assert (True, False) == (listening.in_thread, called.in_thread)


def test_a_rooms_budget_goes_along_only_with_those_who_are_asked() -> None:
    seen = view(budget={"runs": 3})
    assert Budget(runs=3) == said(seen, "@eliza").budget
    assert said(seen, "hello").budget is None


def test_in_a_session_everything_is_said_to_its_model() -> None:
    seen = view(member(ALICE_ID), member(ELIZA, engagement="always"))
    session = replace(seen, room=replace(seen.room, kind="session"))
    spoken = said(session, "no name in it")
    assert ([ELIZA], ()) == (asked(spoken), spoken.mention)


def test_why_each_of_the_others_would_stay_silent_is_said() -> None:
    seen = view(
        member(ALICE_ID), member(OWN), member(ELIZA, engagement="off"),
        replace(member(SECOND), engagement="thread"),
    )  # fmt: skip
    reasons = {
        each["participant"]["id"]: each["reason"]
        for each in foreseen(seen, ALICE_ID, ())["would_not_run"]
    }
    assert {OWN, ELIZA, SECOND} == reasons.keys()
    assert "its own program" in reasons[OWN]
    assert "off" in reasons[ELIZA]
    assert "has not taken part" in reasons[SECOND]
    assert author(OWN).ref() in [e["participant"] for e in foreseen(seen, OWN, ())["would_not_run"]]
