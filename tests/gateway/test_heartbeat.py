"""`hub.gateway.heartbeat`: who answers is asked again, who does not is told of, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hub.gateway.heartbeat import Heartbeat
from hub.wire.frames import bodies

EVERY_S = 20.0


class Timers:
    """An event loop's timers, which go off when they are told to."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, then: Callable[[], None]) -> Any:
        entry = (delay_s, then)
        self.due.append(entry)
        timers = self

        class Handle:
            def cancel(self) -> None:
                if entry in timers.due:
                    timers.due.remove(entry)

        return Handle()

    def go_off(self) -> float:
        """The only one there is, and how long it took."""
        ((delay_s, then),) = self.due
        self.due.clear()
        then()
        return delay_s


class Peer:
    def __init__(self) -> None:
        self.pings: list[bytes] = []
        self.silent = 0

    def write(self, frames: bytes) -> None:
        self.pings += bodies(frames)

    def unanswered(self) -> None:
        self.silent += 1


@pytest.fixture
def timers() -> Timers:
    return Timers()


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def heartbeat(timers: Timers, peer: Peer) -> Heartbeat:
    return Heartbeat(peer, timers, EVERY_S)  # type: ignore[arg-type]


def test_who_answers_is_asked_again_and_again(
    heartbeat: Heartbeat, timers: Timers, peer: Peer
) -> None:
    waits = set()
    for count in range(1, 30):
        waits.add(timers.go_off())
        assert count == len(peer.pings)
        heartbeat.answered(peer.pings[-1])
    assert len(waits) > 1, "those who came together are pinged together"
    assert EVERY_S * 0.75 <= min(waits) <= max(waits) <= EVERY_S
    assert 0 == peer.silent


@pytest.mark.parametrize("answer", [None, b"", b"another"])
def test_only_the_answer_to_the_last_ping_counts(
    answer: bytes | None, heartbeat: Heartbeat, timers: Timers, peer: Peer
) -> None:
    timers.go_off()
    if answer is not None:
        heartbeat.answered(answer)
    assert EVERY_S == timers.go_off()
    assert (1, 1) == (len(peer.pings), peer.silent)


def test_a_pong_that_nobody_asked_for_changes_nothing(
    heartbeat: Heartbeat, timers: Timers, peer: Peer
) -> None:
    before = list(timers.due)
    heartbeat.answered(b"")
    assert before == timers.due


@pytest.mark.parametrize("asked", [False, True])
def test_one_that_is_ended_says_nothing_more(
    asked: bool, heartbeat: Heartbeat, timers: Timers
) -> None:
    if asked:
        timers.go_off()
    heartbeat.end()
    assert [] == timers.due
