"""`hub.core.limits`: a token bucket on the caller's clock."""

from __future__ import annotations

from hub.core.limits import Bucket


def test_a_second_of_burst_passes_and_the_next_waits() -> None:
    bucket = Bucket(5)
    assert [bucket.take(100.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(100.0) == 0.2


def test_what_it_says_to_wait_is_enough() -> None:
    bucket, now = Bucket(3), 50.0
    taken = 0
    for _ in range(200):
        wait = bucket.take(now)
        taken += not wait
        now += wait + 0.001  # waits are told in whole milliseconds
    assert 98 <= taken <= 110


def test_no_more_than_the_rate_passes_however_often_it_is_asked() -> None:
    bucket = Bucket(10)
    passed = sum(bucket.take(1_000 + step / 1_000) == 0 for step in range(2_001))
    assert 29 <= passed <= 30  # the burst, then two seconds


def test_a_long_pause_gives_no_more_than_one_burst() -> None:
    bucket = Bucket(4)
    bucket.take(10.0)
    assert [bucket.take(10_000.0) == 0 for _ in range(6)] == [True] * 4 + [False] * 2


def test_a_refusal_always_says_a_time() -> None:
    bucket = Bucket(1_000_000)
    waits = [bucket.take(1.0) for _ in range(1_000_001)]
    assert waits[-1] > 0
