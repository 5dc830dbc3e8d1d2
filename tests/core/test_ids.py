"""`hub.core.ids`: ULIDs that sort, participants' ids as given."""

from __future__ import annotations

import random
import re

import pytest

from hub.core.ids import IdMaker, participant_type, ulid

SHAPE = re.compile(r"msg_[0-7][0-9a-hjkmnp-tv-z]{25}")


class Clock:
    """Milliseconds that a test sets."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def test_a_ulid_is_the_one_of_the_specification() -> None:
    """github.com/ulid/spec names this pair of time and text."""
    assert ulid(1_469_918_176_385, 0) == "01aryz6s41" + "0" * 16
    assert ulid(0, 2**80 - 1) == "0" * 10 + "z" * 16


def test_an_id_is_a_prefix_and_26_lowercase_characters() -> None:
    ids = IdMaker(Clock(1_780_000_000_000), random.Random(1).getrandbits)
    assert all(SHAPE.fullmatch(ids.make("msg")) for _ in range(2_000))


def test_ids_of_one_millisecond_rise_strictly() -> None:
    ids = IdMaker(Clock(1_780_000_000_000), random.Random(2).getrandbits)
    made = [ids.make("msg") for _ in range(5_000)]
    assert sorted(set(made)) == made


def test_an_id_is_the_ulid_of_its_millisecond_and_of_one_more_than_the_last() -> None:
    """Across the end of what is kept of the last one."""
    first = (1 << 40) - 3
    ids = IdMaker(Clock(1_780_000_000_000), lambda bits: first)
    made = [ids.make("msg") for _ in range(6)]
    assert [f"msg_{ulid(1_780_000_000_000, first + n)}" for n in range(6)] == made


def test_ids_rise_when_the_clock_is_set_back() -> None:
    clock = Clock(1_780_000_000_000)
    ids = IdMaker(clock, random.Random(3).getrandbits)
    made = [ids.make("msg")]
    for step in (1, -60_000, 30_000, 0, 31_000, -1):
        clock.now_ms += step
        made.append(ids.make("msg"))
    assert sorted(set(made)) == made


def test_ids_of_a_later_millisecond_sort_after_whatever_the_random_bits() -> None:
    early = IdMaker(Clock(1_000), lambda bits: (1 << bits) - 1).make("msg")
    late = IdMaker(Clock(1_001), lambda bits: 0).make("msg")
    assert early < late


def test_two_makers_do_not_make_the_same_id() -> None:
    clock = Clock(1_780_000_000_000)
    one, other = (IdMaker(clock, random.Random(seed).getrandbits) for seed in (4, 5))
    assert not {one.make("a") for _ in range(1_000)} & {other.make("a") for _ in range(1_000)}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("user_alice", "user"),
        ("bot_design_reviewer", "bot"),
        ("agent_1", "agent"),
        ("persona_" + "a" * 64, "persona"),
        ("persona_" + "a" * 65, None),
        ("user_", None),
        ("user_Alice", None),
        ("user_alice\n", None),
        ("human_alice", None),
        ("user_ali ce", None),
        ("user_\u0661", None),
        ("", None),
    ],
)
def test_a_participant_id_says_its_type(text: str, kind: str | None) -> None:
    assert participant_type(text) == kind
