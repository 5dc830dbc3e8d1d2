"""`hub.core.triggers`: which runs a message starts, and how chains of AI participants end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.core.governor import Budget, Limits, Spent
from hub.core.triggers import (
    TENANT,
    Call,
    Cause,
    Effects,
    Ground,
    Lane,
    Summons,
    decide,
    pair_of,
    refused,
    reopen,
)
from hub.core.values import Run

from .nouns import AT_MS, run

HUMAN = Cause(0, "msg_1")
LIMITS = Limits()


def summons(participant_id: str = "bot_a", number: int = 1, **rest: Any) -> Summons:
    return Summons(participant_id, f"run_{number}", f"reply_{number}", **rest)


def call(*asked: Summons, author: str = "user_alice", cause: Cause = HUMAN, **rest: Any) -> Call:
    values: dict[str, Any] = {
        "calls": tuple(each.participant_id for each in asked), "thread_id": None,
    } | rest  # fmt: skip
    return Call("acme", "room_1", "msg_1", author_id=author, at_ms=AT_MS, cause=cause,
                summons=asked, **values)  # fmt: skip


def decided(
    given: Call, ground: Ground | None = None, limits: Limits = LIMITS
) -> tuple[tuple[Run, ...], Effects]:
    effects = Effects()
    return decide(given, ground or Ground(), effects, limits), effects


def states(runs: tuple[Run, ...]) -> list[str]:
    return [each.state for each in runs]


def test_a_persons_message_starts_a_run_one_hop_down() -> None:
    (started,), effects = decided(call(summons()))
    assert ("queued", 1, "msg_1", "user_alice", "msg_1") == (
        started.state, started.depth, started.root_message_id, started.caller_id, started.thread_id,
    )  # fmt: skip
    assert {"msg_1": 1} == effects.replies
    assert {("room_1", "bot_a"): ("msg_1", HUMAN)} == effects.addressed


def test_depth_is_inherited_and_ends_at_the_cap() -> None:
    deep = Cause(LIMITS.depth - 1, "msg_0")
    (last,), _ = decided(call(summons(), author="bot_b", cause=deep))
    assert ("queued", LIMITS.depth, "msg_0") == (last.state, last.depth, last.root_message_id)
    (over,), effects = decided(
        call(summons(), author="bot_b", cause=deep._replace(depth=LIMITS.depth))
    )
    assert ("suppressed", AT_MS) == (over.state, over.finished_ms)
    assert "depth 7" in (over.reason or "")
    assert {} == effects.replies


def test_one_human_message_starts_so_many_replies_over_all_its_chains() -> None:
    ground = Ground(replies={"msg_0": LIMITS.replies - 2})
    asked = [summons(f"bot_{n}", n) for n in range(4)]
    runs, effects = decided(call(*asked, author="bot_x", cause=Cause(2, "msg_0")), ground)
    assert ["queued", "queued", "suppressed", "suppressed"] == states(runs)
    assert {"msg_0": 2} == effects.replies
    assert LIMITS.replies == ground.replies["msg_0"]


def test_two_that_call_each_other_too_often_are_held_back_whoever_begins() -> None:
    pair = pair_of("room_1", "bot_b", "bot_a")
    assert pair == pair_of("room_1", "bot_a", "bot_b")
    ground = Ground(exchanges={pair: LIMITS.exchanges - 1})
    asked = call(summons(), author="bot_b", cause=Cause(1, "msg_0"))
    assert ["queued"] == states(decided(asked, ground)[0])
    assert ["suppressed"] == states(decided(asked, ground)[0])
    assert ["queued"] == states(decided(call(summons()), ground)[0])


def test_a_bot_that_listens_by_itself_may_not_be_spoken_to_past_the_cap() -> None:
    def said(depth: int, author: str = "bot_b", calls: tuple[str, ...] = ("bot_own",)) -> Call:
        return call(author=author, cause=Cause(depth, "msg_0"), calls=calls)

    assert refused(said(LIMITS.depth - 1), Ground(), LIMITS) is None
    assert "depth 7" in (refused(said(LIMITS.depth), Ground(), LIMITS) or "")
    assert refused(said(LIMITS.depth, calls=()), Ground(), LIMITS) is None
    assert refused(said(LIMITS.depth, calls=("bot_b",)), Ground(), LIMITS) is None
    assert refused(said(99, author="user_alice"), Ground(), LIMITS) is None
    full = Ground(replies={"msg_0": LIMITS.replies})
    assert "at most 12" in (refused(said(1), full, LIMITS) or "")


def test_what_a_bot_says_to_one_that_listens_by_itself_counts_as_a_reply() -> None:
    _, effects = decided(call(author="bot_b", cause=Cause(1, "msg_0"), calls=("bot_own",)))
    assert {"msg_0": 1} == effects.replies
    assert {("room_1", "bot_own"): ("msg_1", Cause(1, "msg_0"))} == effects.addressed


def test_who_follows_threads_answers_only_where_it_took_part() -> None:
    asked = call(summons(in_thread=True), thread_id="msg_root", calls=())
    assert () == decided(asked)[0]
    ground = Ground(engaged={("msg_root", "bot_a")})
    assert ["queued"] == states(decided(asked, ground)[0])


def test_what_is_held_says_why() -> None:
    (held,), effects = decided(call(summons(held="the room is paused")))
    assert ("suppressed", "the room is paused") == (held.state, held.reason)
    assert {} == effects.replies


@pytest.mark.parametrize(
    ("busy", "lane", "state", "cut"),
    [
        ("queue", Lane("run_r", "run_q"), "queued", []),
        ("merge", Lane("run_r", None), "queued", []),
        ("merge", Lane("run_r", "run_q"), "suppressed", []),
        ("interrupt", Lane("run_r", "run_q"), "queued", ["run_r", "run_q"]),
        ("interrupt", Lane(None, "run_q", "run_w"), "queued", ["run_w", "run_q"]),
        ("interrupt", Lane(), "queued", []),
    ],
)
def test_what_comes_while_it_is_busy(busy: Any, lane: Lane, state: str, cut: list[str]) -> None:
    ground = Ground(lanes={"msg_1:bot_a": lane})
    (made,), effects = decided(call(summons(busy=busy)), ground)
    assert (state, cut) == (made.state, effects.interrupted)
    assert [run for run in cut if run != "run_r"] == effects.idle
    if state == "suppressed":
        assert "run_q" in (made.reason or "")


def test_the_second_of_a_burst_in_one_batch_is_merged_into_the_first() -> None:
    ground, effects = Ground(), Effects()
    first = decide(call(summons(number=1, busy="merge")), ground, effects, LIMITS)
    second = decide(call(summons(number=2, busy="merge")), ground, effects, LIMITS)
    assert ["queued", "suppressed"] == states(first + second)


def test_budgets_hold_for_the_room_and_the_tenant() -> None:
    limits = replace(LIMITS, budget=Budget(tokens=100))
    ground = Ground(spent={("acme", "room_1"): Spent(runs=3)})
    three = [summons(f"bot_{n}", n) for n in range(3)]
    runs, effects = decided(call(*three, budget=Budget(runs=5)), ground, limits)
    assert ["queued", "queued", "suppressed"] == states(runs)
    assert [4, None, None] == [run.warning and run.warning["used"] for run in runs]
    assert runs[0].reason is None
    assert {("acme", "room_1"): 2, ("acme", TENANT): 2} == effects.spent
    ground = Ground(spent={("acme", TENANT): Spent(tokens=100)})
    ((over,), effects) = decided(call(summons()), ground, limits)
    assert ("suppressed", {}) == (over.state, effects.spent)


def test_a_person_in_the_thread_answers_the_open_question_and_starts_no_second_run() -> None:
    asking = replace(run("run_w", state="waiting"), participant_id="bot_a", awaits="person")
    ground = Ground(awaiting={"msg_root": [asking]})
    runs, effects = decided(call(summons(), summons("bot_c", 2), thread_id="msg_root"), ground)
    assert ["bot_c"] == [each.participant_id for each in runs]
    (resumed,) = effects.resumed
    assert ("run_w", "queued", None, "msg_1") == (
        resumed.id, resumed.state, resumed.awaits, resumed.answer_id,
    )  # fmt: skip
    _, again = decided(call(thread_id="msg_root"), ground)
    assert [] == again.resumed


def test_no_machine_answers_for_a_person() -> None:
    asking = replace(run("run_w", state="waiting"), awaits="person")
    ground = Ground(awaiting={"msg_root": [asking]})
    _, effects = decided(call(author="bot_b", thread_id="msg_root"), ground)
    assert [] == effects.resumed


def test_a_budget_is_counted_for_the_tenant_that_runs() -> None:
    limits = replace(LIMITS, budget=Budget(runs=5))
    _, effects = decided(replace(call(summons()), tenant_id="rival"), limits=limits)
    assert {("rival", TENANT): 1} == effects.spent


def test_a_person_tries_again_past_the_chain_and_nobody_past_a_budget() -> None:
    full = Ground(replies={"msg_1": LIMITS.replies})
    assert reopen(call(summons()), full, Effects(), LIMITS) is None
    by_machine = call(summons(), author="bot_b")
    assert "at most 12" in (reopen(by_machine, full, Effects(), LIMITS) or "")
    limits, effects = replace(LIMITS, budget=Budget(runs=1)), Effects()
    ground = Ground()
    assert reopen(call(summons()), ground, effects, limits) is None
    assert 1 == effects.warnings[summons().run_id]["limit"]
    assert {("acme", TENANT): 1} == effects.spent
    assert "1 runs" in (reopen(call(summons()), ground, effects, limits) or "")
