"""hub/models/faults.py: what a refusal means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.core.errors import Backend, ModelUnavailable, PromptTooLong
from hub.models.faults import excerpt, is_transient, refusal, retry_after_s

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_these_may_pass(status: int) -> None:
    assert is_transient(status)


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 405, 413, 422])
def test_these_will_not(status: int) -> None:
    assert not is_transient(status)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "9" * 400}, 86400.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 99 Jan 2026 12:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_or_ignored(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, NOW) == expected


def test_a_refusal_carries_status_text_and_wait() -> None:
    error = refusal(429, {"retry-after": "7"}, "too many", NOW)
    assert (error.transient, error.retry_after) == (True, 7.0)
    assert error.message == "the model server asks to slow down (HTTP 429): too many"


def test_an_excerpt_is_one_short_printable_line_without_the_key() -> None:
    text = excerpt("a\n\tb\x00 \x1b[31m key k-1 " + "long " * 1000, "k-1")
    assert text.startswith("a b [31m key [key] long")
    assert len(text) == 300


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "This model's maximum context length is 8192 tokens.", PromptTooLong),
        (400, "the request exceeds the available context size, try increasing it", PromptTooLong),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", PromptTooLong),
        (413, "The input token count exceeds the maximum number of tokens allowed", PromptTooLong),
        (400, "temperature must be at most 2", Backend),
        (500, "context length exceeded", Backend),
        (429, "too many tokens per minute", ModelUnavailable),
    ],
)
def test_a_prompt_that_does_not_fit_is_known_by_its_words(
    status: int, text: str, kind: type[Backend]
) -> None:
    error = refusal(status, {}, text, NOW)
    assert (kind, status) == (type(error), error.answered)
