"""The table of close codes, and the delays between tries."""

from __future__ import annotations

import pytest

from hub.client.reconnect import Backoff, Resume, Stop, on_close, on_refused
from hub.core.errors import Denied, HubError, TooLarge, Unauthenticated


@pytest.mark.parametrize(
    ("code", "error"),
    [(1009, TooLarge), (4401, Unauthenticated), (4403, Denied), (4410, Unauthenticated)],
)
def test_codes_that_end_a_connection_say_why(code: int, error: type[HubError]) -> None:
    verdict = on_close(code, "the reason given")
    assert isinstance(verdict, Stop)
    assert isinstance(verdict.error, error)
    assert "the reason given" == verdict.error.message


def test_a_plain_bye_ends_it_without_an_error() -> None:
    assert Stop() == on_close(1000, "")


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (1012, '{"retry_s": 3}', Resume(spread_s=3)),
        (1012, "restarting", Resume()),
        (1012, '{"retry_s": -1}', Resume()),
        (1012, "[3]", Resume()),
        (4402, "", Resume(refresh=True)),
        (4408, "slow, resume", Resume()),
        (4429, '{"retry_s":5}', Resume(least_s=5)),
        (4429, "too much", Resume(least_s=1)),
        (1001, "", Resume()),
        (1006, "", Resume()),
        (1011, "", Resume()),
        (4999, "", Resume()),
        (None, "", Resume()),
    ],
)
def test_everything_else_is_resumed(code: int | None, reason: str, expected: Resume) -> None:
    assert expected == on_close(code, reason)


def test_a_refused_handshake_ends_it_only_when_the_key_is_at_fault() -> None:
    assert isinstance(on_refused(401), Stop)
    assert isinstance(on_refused(403), Stop)
    assert Resume() == on_refused(502)


def test_the_bound_of_the_delay_doubles_up_to_the_cap_and_falls_back_when_one_held() -> None:
    backoff = Backoff(lambda: 1.0, base_s=0.5, cap_s=3)
    assert [0.5, 1, 2, 3, 3] == [backoff.delay_s(Resume()) for _ in range(5)]
    backoff.reset()
    assert 0.5 == backoff.delay_s(Resume())


def test_the_delay_is_any_part_of_its_bound() -> None:
    assert 0 == Backoff(lambda: 0.0).delay_s(Resume())
    assert 5.0 == Backoff(lambda: 0.0).delay_s(Resume(least_s=5))
    assert 1.5 == Backoff(lambda: 0.5).delay_s(Resume(spread_s=3))


def test_a_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff(lambda: 1.0, cap_s=30)
    assert 30 == max(backoff.delay_s(Resume()) for _ in range(1_000))
