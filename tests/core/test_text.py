"""`hub.core.text`: what text and JSON a hub accepts."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.text import (
    CONTENT_BYTES,
    JSON_DEPTH,
    content_fault,
    emoji_fault,
    json_fault,
    text_fault,
)


@pytest.mark.parametrize(
    "text",
    ["", "plain", "👍🏽", "a\u202eb", "e\u0301" * 50, "\ufffe\uffff", "ﬀİß", "\t\r\n", "\x01"],
)
def test_any_unicode_is_text(text: str) -> None:
    assert text_fault(text) is None


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\udfff and more", "\udc80"])
def test_nul_and_lone_surrogates_are_not(text: str) -> None:
    assert text_fault(text) is not None
    assert content_fault(text) is not None


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u00a0\u2003"])
def test_blank_content_is_empty(text: str) -> None:
    assert content_fault(text) == "must not be empty"


@pytest.mark.parametrize("unit", ["a", "ß", "€", "😀"])
def test_content_is_limited_in_bytes_not_characters(unit: str) -> None:
    most = CONTENT_BYTES // len(unit.encode())
    assert content_fault(unit * most) is None
    assert "bytes of UTF-8" in (content_fault(unit * (most + 1)) or "")


def nested(levels: int, leaf: Any) -> dict[str, Any]:
    """`leaf` inside that many objects and lists."""
    value = leaf
    for level in range(levels):
        value = {"a": value} if level % 2 or level == levels - 1 else [value]
    return dict(value)


def test_json_is_limited_in_depth() -> None:
    assert json_fault(nested(JSON_DEPTH, 1)) is None
    assert json_fault(nested(JSON_DEPTH + 1, 1)) == f"must not nest deeper than {JSON_DEPTH}"
    assert json_fault(nested(5_000, 1)) == f"must not nest deeper than {JSON_DEPTH}"


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**64, 1e300, 1.8446744073709552e19])
def test_numbers_beyond_what_every_client_reads_exactly_are_refused(number: float) -> None:
    assert json_fault({"a": [number]}) == "numbers must lie within 2^53"


@pytest.mark.parametrize("number", [0, 2**53, -(2**53), 0.5, True, None])
def test_numbers_that_are_exact_pass(number: float | None) -> None:
    assert json_fault({"a": number}) is None


@pytest.mark.parametrize("value", [{"a\0": 1}, {"a": "\ud800"}, {"a": [{"b": "\0"}]}])
def test_text_inside_json_is_held_to_the_same_rule(value: Any) -> None:
    assert json_fault(value) is not None


@pytest.mark.parametrize("emoji", ["👍", "👍🏽", "👩‍👩‍👧", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "❤️", ":ship:", "+1"])
def test_an_emoji_or_a_short_word_is_a_reaction(emoji: str) -> None:
    assert emoji_fault(emoji) is None


@pytest.mark.parametrize("emoji", ["", "a b", "a\n", "\0", "\u200b", "a/b", "a" * 65, "\ud800"])
def test_anything_else_is_none(emoji: str) -> None:
    assert emoji_fault(emoji)
