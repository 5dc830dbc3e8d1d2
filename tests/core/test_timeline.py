"""`hub.core.timeline`: whatever the bus does, every event once and in order."""

from __future__ import annotations

import random

import pytest

from hub.core import timeline as timelines
from hub.core.timeline import HELD_SPANS, Allowance, Timeline

Span = list[int]


def new(allowance: Allowance | None = None) -> Timeline[Span]:
    return Timeline(lambda body, count: body[count:], allowance)


def span(first: int, last: int) -> tuple[int, int, Span]:
    return first, last, list(range(first, last + 1))


def flat(bodies: list[Span]) -> Span:
    return [seq for body in bodies for seq in body]


def mend(timeline: Timeline[Span], stored: int, page: int) -> Span:
    """What a gateway does: read the log after the position until nothing is missing."""
    passed: Span = []
    while timeline.behind:
        first = timeline.position + 1
        last = min(stored, first + page - 1)
        if last < first:
            break
        passed += flat(timeline.offer(*span(first, last)))
    return passed


def test_what_follows_is_passed_on_as_it_is() -> None:
    timeline, body = new(), [4, 5]
    timeline.start(3)
    passed = timeline.offer(4, 5, body)
    assert passed == [[4, 5]]
    assert passed[0] is body
    assert (timeline.position, timeline.behind) == (5, False)


def test_before_the_start_everything_is_held() -> None:
    timeline = new()
    assert not timeline.started
    assert timeline.offer(*span(4, 5)) == []
    assert timeline.offer(*span(2, 3)) == []
    assert flat(timeline.start(2)) == [3, 4, 5]


def test_a_repeat_is_dropped_and_an_overlap_cut() -> None:
    timeline = new()
    timeline.start(3)
    assert timeline.offer(*span(1, 3)) == []
    assert flat(timeline.offer(*span(2, 5))) == [4, 5]
    assert timeline.offer(*span(4, 5)) == []


def test_what_comes_early_waits_for_what_is_missing() -> None:
    timeline = new()
    timeline.start(0)
    assert timeline.offer(*span(3, 4)) == []
    assert timeline.behind
    assert flat(timeline.offer(*span(1, 2))) == [1, 2, 3, 4]
    assert not timeline.behind


def test_of_two_spans_that_begin_alike_the_longer_is_kept() -> None:
    for lengths in ((3, 5), (5, 3)):
        timeline = new()
        timeline.start(0)
        for last in lengths:
            timeline.offer(*span(2, last))
        assert flat(timeline.offer(*span(1, 1))) == [1, 2, 3, 4, 5]


def test_hearing_of_a_head_is_being_behind() -> None:
    timeline = new()
    timeline.start(3)
    timeline.hear(2)
    assert not timeline.behind
    timeline.hear(4)
    assert timeline.behind


def test_what_is_held_is_bounded_and_the_log_brings_the_rest() -> None:
    timeline = new()
    timeline.start(0)
    most = HELD_SPANS * 3
    for seq in range(2, most + 1):
        assert timeline.offer(*span(seq, seq)) == []
    passed = flat(timeline.offer(*span(1, 1)))
    assert passed == list(range(1, HELD_SPANS + 2))
    assert timeline.behind
    assert passed + mend(timeline, most, 100) == list(range(1, most + 1))


def test_what_is_held_is_bounded_by_its_size_and_the_log_brings_it() -> None:
    timeline: Timeline[bytes] = Timeline(lambda body, count: body)
    timeline.start(0)
    third = bytes(timelines.HELD_SIZE // 3)
    for seq in (2, 3, 4):
        timeline.offer(seq, seq, third)
    assert timeline._allowance.used == 3 * len(third)
    timeline.offer(5, 5, third)
    assert timeline._allowance.used == 0
    assert timeline.behind
    assert timeline.offer(1, 1, b"read") == [b"read"]
    assert timeline.offer(2, 5, b"read") == [b"read"]
    assert not timeline.behind


def test_all_who_hold_are_bounded_together() -> None:
    allowance = Allowance(10)
    one, other = new(allowance), new(allowance)
    for timeline in (one, other):
        timeline.start(0)
    one.offer(*span(2, 9))
    assert allowance.used == 8
    one.offer(*span(2, 10))
    assert allowance.used == 9
    other.offer(*span(2, 3))
    assert allowance.used == 9
    assert other.offer(*span(1, 1)) == [[1]]
    assert flat(one.offer(*span(1, 1))) == list(range(1, 11))
    assert allowance.used == 0
    assert other.behind


@pytest.mark.parametrize("seed", range(120))
def test_any_loss_repeat_and_reorder_gives_each_event_once_in_order(seed: int) -> None:
    pick = random.Random(seed)
    timeline, stored = new(), pick.randint(1, 120)
    spans: list[tuple[int, int, Span]] = []
    at = 1
    while at <= stored:
        last = min(stored, at + pick.choice((0, 0, 0, 1, 3, 9)))
        spans.append(span(at, last))
        at = last + 1
    spans += [s for s in spans if pick.random() < 0.3]  # twice
    for _ in range(pick.randint(0, 10)):  # read from the log meanwhile, across the packets
        first = pick.randint(1, stored)
        spans.append(span(first, min(stored, first + pick.randint(0, 15))))
    spans = [s for s in spans if pick.random() > 0.2]  # lost
    spans.sort(key=lambda s: s[0] + pick.randint(0, 12))  # late

    head, start_at = pick.randint(0, stored), pick.randint(0, len(spans))
    passed: Span = []
    for index, each in enumerate(spans):
        if index == start_at:
            passed += flat(timeline.start(head))
        passed += flat(timeline.offer(*each))
        if timeline.started and pick.random() < 0.1:
            passed += mend(timeline, pick.randint(timeline.position, stored), 7)
        assert passed == list(range(head + 1, timeline.position + 1))[: len(passed)]
    if not timeline.started:
        passed += flat(timeline.start(head))
    timeline.hear(stored)
    passed += mend(timeline, stored, pick.randint(1, 50))
    assert passed == list(range(head + 1, stored + 1))
    assert not timeline.behind
    assert timeline._allowance.used == sum(len(body) for _, body in timeline._held.values())
