"""hub/models/keys.py: keys take turns, and rest when they were refused."""

from __future__ import annotations

from hub.core.errors import Backend
from hub.models.keys import REFUSED_S, KeyRing


class Clock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def test_keys_take_turns_and_those_not_yet_tried_come_first() -> None:
    ring = KeyRing(("a", "b", "c"), Clock())
    assert ["a", "b", "c", "a"] == [ring.take(()) for _ in range(4)]
    assert ring.take({"b"}) in {"a", "c"}
    assert "c" == ring.take({"a", "b"})


def test_a_refused_key_rests_and_comes_back() -> None:
    clock = Clock()
    ring = KeyRing(("a", "b"), clock)
    ring.failed("a", Backend("no", answered=401))
    assert ["b", "b", "b"] == [ring.take(()) for _ in range(3)]
    clock.at_s = REFUSED_S
    assert {"a", "b"} == {ring.take(()) for _ in range(2)}


def test_a_key_rests_as_long_as_its_server_asks() -> None:
    clock = Clock()
    ring = KeyRing(("a", "b"), clock)
    ring.failed("a", Backend("slow down", answered=429, retry_after=7))
    clock.at_s = 6.9
    assert {"b"} == {ring.take(()) for _ in range(2)}
    clock.at_s = 7.0
    assert {"a", "b"} == {ring.take(()) for _ in range(2)}


def test_when_all_rest_the_one_that_is_free_first_is_taken() -> None:
    ring = KeyRing(("a", "b"), Clock())
    ring.failed("a", Backend("slow down", answered=429, retry_after=9))
    ring.failed("b", Backend("slow down", answered=429, retry_after=3))
    assert {"b"} == {ring.take(()) for _ in range(2)}


def test_what_is_no_fault_of_the_key_lets_it_work_on() -> None:
    ring = KeyRing(("a", "b"), Clock())
    ring.failed("a", Backend("broken", answered=500))
    ring.failed("a", Backend("cut"))
    assert {"a", "b"} == {ring.take(()) for _ in range(2)}


def test_a_server_without_keys_has_the_key_none() -> None:
    assert (1, None) == (len(KeyRing((), Clock())), KeyRing((), Clock()).take(()))
