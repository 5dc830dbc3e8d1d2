"""`workers.context`: what a model is given, and the receipt of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.core.chat import ChatMessage, Sampling, estimate_tokens
from hub.core.values import Author, Message, RoomView, Run, Session
from tests.core.nouns import ALICE, AT_MS, BOB, ELIZA, member, room, run
from workers.context import Context, room_context, session_context

DRIVER = {"kind": "model", "model": "m", "system_prompt": "Be kind."}
VIEW = RoomView(room("room_1"), {a.id: member(a) for a in (ALICE, BOB, ELIZA)})
SESSION = Session(
    id="sess_1", tenant_id="acme", owner=ALICE.id, participant_id=ELIZA.id, model="m", title=None,
    system_prompt="You are brief.", metadata={}, status="active", handling="ai", message_count=0,
    created_ms=AT_MS, updated_ms=AT_MS,
)  # fmt: skip
PLENTY = 100_000


def said(number: int, author: Author, content: str, **changes: Any) -> Message:
    made = Message(f"msg_{number}", "room_1", number, None, author, content, (), AT_MS)
    return made._replace(**changes)


def in_room(thread: list[Message], budget: int = PLENTY, **params: Any) -> Context:
    return room_context(replace(run("run_1"), params=params), DRIVER, ELIZA, VIEW, thread, budget)


def re(number: int, asked: int, content: str, **changes: Any) -> Message:
    """A reply to message `asked`."""
    return said(number, ELIZA, content, root_message_id=f"msg_{asked}", **changes)


def in_session(
    history: list[Message], trigger: str, budget: int = PLENTY, session: Session = SESSION
) -> Context:
    called: Run = replace(run("run_1"), trigger_message_id=trigger)
    return session_context(called, session, {}, ELIZA, history, budget)


def turns(context: Context) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in context.request.messages if m.role != "system"]


def test_others_are_users_by_name_and_kind_and_oneself_the_assistant() -> None:
    thread = [
        said(1, ALICE, "hello"),
        said(2, ELIZA, "how are you"),
        said(3, Author("bot_b", "bot", "b", "Bee"), "buzz"),
    ]
    assert turns(in_room(thread)) == [
        ("user", "Alice (user): hello"),
        ("assistant", "how are you"),
        ("user", "Bee (bot): buzz"),
    ]


def test_character_room_and_members_are_pinned() -> None:
    system = in_room([said(1, ALICE, "x")]).request.messages[0]
    assert system.role == "system"
    for part in ("Be kind.", "Eliza (@eliza)", '"Design"', "Alice (@alice, user)", "Bob (@bob"):
        assert part in system.content


@pytest.mark.parametrize(
    "changes",
    [{"deleted_ms": 1}, {"status": "failed"}, {"status": "cancelled"}, {"content": ""}],
)
def test_what_was_deleted_or_failed_is_left_out(changes: dict[str, Any]) -> None:
    left_out = said(2, BOB, "out")._replace(**changes)
    thread = [said(1, ALICE, "a"), left_out, said(3, ALICE, "b")]
    context = in_room(thread)
    assert context.message_ids == ("msg_1", "msg_3")
    assert "out" not in str(context.request)


def test_the_root_and_the_newest_that_fit_are_kept_in_order() -> None:
    thread = [said(n, ALICE, f"{n} " + "x" * 400) for n in range(1, 21)]
    everything = in_room(thread)
    assert everything.message_ids == tuple(m.id for m in thread)
    some = in_room(thread, budget=everything.tokens // 2)
    numbers = [int(i.removeprefix("msg_")) for i in some.message_ids]
    assert numbers[0] == 1
    assert numbers[1:] == list(range(numbers[1], 21))
    assert 3 < len(numbers) < 15
    assert some.tokens <= everything.tokens // 2


@pytest.mark.parametrize("budget", [0, 1, 50])
def test_the_last_message_is_always_there(budget: int) -> None:
    thread = [said(n, ALICE, "x" * 1_000) for n in range(1, 6)]
    assert in_room(thread, budget=budget).message_ids == ("msg_5",)
    assert in_room(thread[:1], budget=budget).message_ids == ("msg_1",)


def test_the_receipt_names_what_went_in_and_its_size() -> None:
    context = in_room([said(1, ALICE, "hello")])
    assert context.receipt() == {
        "message_ids": ["msg_1"], "tokens": context.tokens, "dropped": 0,
    }  # fmt: skip
    size = sum(estimate_tokens(m.content) for m in context.request.messages)
    assert context.tokens >= size


def test_what_was_dropped_is_counted_with_what_was_never_read() -> None:
    thread = [said(n, ALICE, "x" * 400) for n in range(1, 11)]
    thread[0] = thread[0]._replace(reply_count=29)  # of which the newest nine were read
    context = in_room(thread, budget=in_room(thread).tokens // 2)
    assert context.dropped == 30 - len(context.message_ids)
    assert 0 == in_room(thread[1:]).dropped


def test_a_root_that_leaves_no_room_for_the_last_message_is_dropped() -> None:
    thread = [said(1, ALICE, "x" * 4_000), said(2, BOB, "y" * 40), said(3, ALICE, "z" * 40)]
    context = in_room(thread, budget=500)
    assert ("msg_2", "msg_3") == context.message_ids
    assert context.tokens <= 500


def test_a_session_drops_its_oldest_turns_and_never_begins_with_an_answer() -> None:
    words = "word " * 80
    history = [said(n, ALICE, words) if n % 2 else re(n, n - 1, words) for n in range(1, 22)]
    whole = in_session(history, "msg_21")
    assert (21, 0) == (len(whole.message_ids), whole.dropped)
    for budget in range(300, whole.tokens, 37):
        context = in_session(history, "msg_21", budget)
        system, *rest = context.request.messages
        assert ("system", "You are brief.") == (system.role, system.content)
        assert "user" == rest[0].role
        assert tuple(f"msg_{n}" for n in range(22 - len(rest), 22)) == context.message_ids
        assert (21 - len(rest), True) == (context.dropped, context.tokens <= budget)


def test_other_scripts_take_more_of_the_window_than_their_letters() -> None:
    latin, chinese = (in_session([said(1, ALICE, c * 400)], "msg_1").tokens for c in "x語")
    assert chinese > 2 * latin


def test_what_the_caller_chose_wins_over_the_driver() -> None:
    driver = DRIVER | {"temperature": 0.2, "max_tokens": 10}
    called = replace(run("run_1"), params={"temperature": 0.9, "stop": ["END"]})
    context = room_context(called, driver, ELIZA, VIEW, [said(1, ALICE, "x")], PLENTY)
    assert context.request.sampling == Sampling(10, 0.9, None, ("END",))
    assert context.request.model == "m"


def test_a_session_is_bare_turns_under_its_own_prompt() -> None:
    context = in_session([said(1, ALICE, "hello")], "msg_1")
    assert context.request.messages == (
        ChatMessage("system", "You are brief."),
        ChatMessage("user", "hello"),
    )


def test_a_session_without_a_prompt_has_no_system_turn() -> None:
    bare = replace(SESSION, system_prompt=None)
    called = replace(run("run_1"), trigger_message_id="msg_1")
    context = session_context(called, bare, {}, ELIZA, [said(1, ALICE, "hello")], PLENTY)
    assert [m.role for m in context.request.messages] == ["user"]


def test_in_a_session_each_reply_comes_right_after_what_it_answers() -> None:
    """Two questions sent before the first answer: the runs went one after the other."""
    history = [
        said(1, ALICE, "one"), said(2, ALICE, "two"), re(3, 1, "re one"),
        re(4, 2, "re two"), said(5, ALICE, "three"),
    ]  # fmt: skip
    assert turns(in_session(history, "msg_5")) == [
        ("user", "one"), ("assistant", "re one"), ("user", "two"), ("assistant", "re two"),
        ("user", "three"),
    ]  # fmt: skip


def test_a_session_run_sees_nothing_after_its_trigger() -> None:
    history = [said(1, ALICE, "one"), said(2, ALICE, "two"), re(3, 1, "re one")]
    assert turns(in_session(history, "msg_1"))[0] == ("user", "one")
    assert ("user", "two") not in turns(in_session(history, "msg_1"))
    assert turns(in_session(history, "msg_2")) == [
        ("user", "one"), ("assistant", "re one"), ("user", "two")
    ]  # fmt: skip


def test_a_failed_reply_in_a_session_is_left_out_and_shifts_no_other() -> None:
    history = [
        said(1, ALICE, "one"), re(2, 1, "Sorry", status="failed"), said(3, ALICE, "two"),
        re(4, 3, "re two"), said(5, ALICE, "three"),
    ]  # fmt: skip
    assert turns(in_session(history, "msg_5")) == [
        ("user", "one"), ("user", "two"), ("assistant", "re two"), ("user", "three")
    ]  # fmt: skip


def test_a_reply_that_took_the_place_of_another_stands_for_it() -> None:
    history = [
        said(1, ALICE, "one"), re(2, 1, "first try", deleted_ms=AT_MS), re(3, 1, "second try"),
        said(4, ALICE, "two"),
    ]  # fmt: skip
    assert turns(in_session(history, "msg_4")) == [
        ("user", "one"), ("assistant", "second try"), ("user", "two")
    ]  # fmt: skip
    again = in_session(history[:3], "msg_1")
    assert turns(again) == [("user", "one")]


def test_what_there_is_of_a_stopped_reply_is_known_in_its_session() -> None:
    history = [said(1, ALICE, "one"), re(2, 1, "half", status="cancelled"), said(3, ALICE, "on")]
    assert ("assistant", "half") in turns(in_session(history, "msg_3"))


def test_who_answered_in_its_place_is_told_to_the_model_and_what_they_say_about_it() -> None:
    over = {"by": {"id": BOB.id, "name": "Bob"}, "since_seq": 2, "until_seq": None, "note": None}
    history = [said(1, ALICE, "refund?"), said(3, BOB, "granted"), said(5, ALICE, "thanks")]
    taken = in_session(history, "msg_5", session=replace(SESSION, handover=over))
    assert "You are brief." == taken.request.messages[0].content
    back = replace(SESSION, handover=over | {"until_seq": 4, "note": "Order 7 only."})
    context = in_session(history, "msg_5", session=back)
    system = context.request.messages[0].content
    assert all(part in system for part in ("You are brief.", "Bob", "Order 7 only."))
    assert turns(context) == [
        ("user", "refund?"), ("assistant", "(Bob, a person:) granted"), ("user", "thanks")
    ]  # fmt: skip


def test_a_persona_keeps_its_character_in_a_session_without_a_prompt() -> None:
    bare = replace(SESSION, system_prompt=None)
    called = replace(run("run_1"), trigger_message_id="msg_1")
    context = session_context(called, bare, DRIVER, ELIZA, [said(1, ALICE, "x")], PLENTY)
    assert "Be kind." == context.request.messages[0].content
